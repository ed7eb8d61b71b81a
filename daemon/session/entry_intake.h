// EntryIntake: hands the entries of a transfer, once they are checked, to its sink.
#pragma once

#include <cstdint>

#include "daemon/session/entry_order.h"
#include "daemon/session/file_sync.h"

namespace fsutil::types {
class Stat;
}  // namespace fsutil::types

namespace cairn::session {

// Used by one thread, for one transfer.
class EntryIntake {
 public:
  // Both outlive it.
  EntryIntake(const FileSyncRequest& request, FileSyncSink& sink)
      : request_(request), sink_(sink) {}

  struct Taken {
    uint32_t id = 0;
    Wanted wanted = Wanted::kNothing;  // of a file with bytes of its own
  };
  // The next entry as it came. kInvalidArgument when it does not fit those before it.
  StatusOr<Taken> Take(const fsutil::types::Stat& wire);

  // The list is complete. kInvalidArgument when it was already.
  Status End();

  bool ended() const { return ended_; }
  uint64_t entries() const { return entries_; }

 private:
  const FileSyncRequest& request_;
  FileSyncSink& sink_;
  EntryOrder order_;
  uint64_t entries_ = 0;
  bool ended_ = false;
};

}  // namespace cairn::session

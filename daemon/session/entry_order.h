// Checks that a stream of entries describes one directory tree: what a hostile sender must not be
// able to break.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "daemon/session/file_stat.h"
#include "runtime/base/status.h"

namespace cairn::session {

// Used by one thread, for one stream.
class EntryOrder {
 public:
  // Accepts the next entry or says why not (kInvalidArgument). A path is relative and clean; its
  // parent came before and is a directory; the entries of a directory follow it directly, in
  // strictly rising byte order; a hard link names an earlier file.
  Status Add(const FileStat& stat);

 private:
  struct OpenDirectory {
    std::string path;
    std::string last_name;
  };
  Status AddPath(const std::string& path);

  std::vector<OpenDirectory> open_ = {{"", ""}};
  // Hashes of the paths that a hard link may name. A false match is harmless: the receiver looks
  // the path up again when it makes the link.
  absl::flat_hash_set<uint64_t> files_;
};

}  // namespace cairn::session

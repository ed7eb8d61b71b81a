// ContextReceiver: turns a file transfer into a tree, taking over from the last transfer what has
// not changed.
//
// Used by one thread for one transfer; then Finish gives the tree.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "cache/tree/tree_store.h"
#include "daemon/session/file_sync.h"

namespace cairn::source {

class ContextReceiver final : public session::FileSyncSink {
 public:
  // `trees` outlives it.
  explicit ContextReceiver(tree::TreeStore& trees) : trees_(trees) {}

  // Reads what the last transfer gave; files that are as they were there are not asked for. A tree
  // that is no longer whole in the store is no help and no error.
  void CompareWith(const tree::TreeRef& previous);

  StatusOr<bool> OnEntry(uint32_t id, const session::FileStat& stat) override;
  Status OnData(uint32_t id, string_view data) override;
  Status OnFileEnd(uint32_t id) override;

  // Stores the directories and returns the whole.
  StatusOr<tree::TreeRef> Finish();

 private:
  struct Received {
    std::string path;
    tree::Entry entry;
    std::optional<fs::Metadata> directory;  // of directories
  };
  // A file whose content is arriving.
  struct Incoming {
    size_t index = 0;  // into received_
    uint64_t expected = 0;
    std::string data;                          // while it is small
    std::unique_ptr<blob::BlobWriter> writer;  // afterwards
  };

  // The entry of the last transfer that `entry` at `path` may stand for.
  const tree::Entry* FindUnchanged(const std::string& path, const tree::Entry& entry) const;

  tree::TreeStore& trees_;
  absl::flat_hash_map<std::string, tree::Entry> previous_;
  std::vector<Received> received_;
  absl::flat_hash_map<uint32_t, Incoming> incoming_;
  absl::flat_hash_map<std::string, size_t> files_;  // hard-link targets: path -> index
  uint64_t next_link_group_ = 1;
};

}  // namespace cairn::source

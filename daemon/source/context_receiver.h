// ContextReceiver: turns a file transfer into a tree, taking over what the store has already: files
// that are as the last transfer of the same context left them, and bytes that the client can name.
//
// Used by one thread for one transfer; then Finish gives the tree. Files are hashed and stored by
// threads of its own while others arrive.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "cache/tree/tree_store.h"
#include "daemon/session/file_sync.h"
#include "daemon/source/blob_intake.h"

namespace cairn::source {

class ContextReceiver final : public session::FileSyncSink {
 public:
  // `trees` outlives it.
  explicit ContextReceiver(tree::TreeStore& trees) : trees_(trees), intake_(trees.blobs()) {}

  // Reads what the last transfer gave; files that are as they were there are not asked for. A tree
  // that is no longer whole in the store is no help and no error.
  void CompareWith(const tree::TreeRef& previous);

  StatusOr<session::Wanted> OnEntry(uint32_t id, const session::FileStat& stat) override;
  StatusOr<bool> OnDigest(uint32_t id, const Digest& digest, uint64_t size) override;
  Status OnData(uint32_t id, std::string data) override;
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
  session::Wanted WantedOf(const std::string& path, const tree::Entry& entry);
  // Gives files with several links what their first has.
  void CompleteLinks();

  tree::TreeStore& trees_;
  absl::flat_hash_map<std::string, tree::Entry> previous_;
  std::vector<Received> received_;
  absl::flat_hash_map<uint32_t, Incoming> incoming_;
  uint64_t gathered_ = 0;                           // bytes in incoming_
  absl::flat_hash_map<std::string, size_t> files_;  // hard-link targets: path -> index
  uint64_t next_link_group_ = 1;

  // Whether asking for digests pays: how many of the last ones named bytes that are here.
  int asked_ = 0;
  int known_share_ = 0;  // moving, in 1/256
  int since_sample_ = 0;

  BlobIntake intake_;
};

}  // namespace cairn::source

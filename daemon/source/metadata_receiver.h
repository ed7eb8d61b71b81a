// MetadataReceiver: a file transfer that takes the descriptions of all files, and the content of
// few. The result holds the files that were excepted, with their directories, and
// ".fsutil-metadata": the description of every file, each a protobuf message of fsutil.types.Stat
// after its length (4 bytes, little-endian).
//
// Used by one thread for one transfer; then Finish gives the tree.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "daemon/source/context_receiver.h"
#include "runtime/base/pattern.h"

namespace cairn::source {

class MetadataReceiver final : public session::FileSyncSink {
 public:
  // Files that `excepted` matches go to `receiver`. `trees` and `receiver` outlive it.
  MetadataReceiver(tree::TreeStore& trees, ContextReceiver& receiver, PatternMatcher excepted)
      : trees_(trees), receiver_(receiver), excepted_(std::move(excepted)) {}

  StatusOr<session::Wanted> OnEntry(uint32_t id, const session::FileStat& stat) override;
  StatusOr<bool> OnDigest(uint32_t id, const Digest& digest, uint64_t size) override {
    return receiver_.OnDigest(id, digest, size);
  }
  Status OnData(uint32_t id, std::string data) override {
    return receiver_.OnData(id, std::move(data));
  }
  Status OnFileEnd(uint32_t id) override { return receiver_.OnFileEnd(id); }

  StatusOr<tree::TreeRef> Finish();

 private:
  struct Directory {
    uint32_t id = 0;
    session::FileStat stat;
  };

  tree::TreeStore& trees_;
  ContextReceiver& receiver_;
  const PatternMatcher excepted_;
  std::string descriptions_;
  std::vector<Directory> pending_;  // that the next file may be in, outermost first; not passed on
};

}  // namespace cairn::source

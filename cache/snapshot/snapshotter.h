// Snapshotter: turns a chain into something that can be mounted, and a written directory into a
// delta. The only place that knows how a tree becomes a mount.
//
// Each delta is materialised once, as an overlay directory named by its digest, with 0:0 character
// devices for whiteouts and trusted.overlay.opaque for opaque directories; files are linked from
// the blob store where an inode with the right metadata exists, else copied. A step's upper
// directory is taken over as the snapshot of its own delta by rename. Snapshots are derived data:
// any may be removed when no Mountable holds it, and is made again from the store.
//
// Thread-safe; two callers that need one snapshot share the work.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cache/layer/chain.h"
#include "cache/layer/chain_store.h"
#include "runtime/base/cancel.h"

namespace cairn::snapshot {

// A chain as overlay lower directories, top first. Holds the snapshots in place while it lives.
class Mountable {
 public:
  virtual ~Mountable() = default;
  // At least one (an empty directory for scratch), absolute paths.
  virtual const std::vector<std::string>& lower_directories() const = 0;
};

// Where a step writes: an empty upper directory and overlay's work directory, on the store's file
// system. Removed, soon, with all they hold on destruction, unless committed.
class Writable {
 public:
  virtual ~Writable() = default;
  virtual const std::string& upper_directory() const = 0;
  virtual const std::string& work_directory() const = 0;
};

class Snapshotter {
 public:
  // `root` is the snapshotter's directory; leftovers of a crash in it are removed. The stores
  // outlive it.
  static StatusOr<std::unique_ptr<Snapshotter>> Open(const std::string& root,
                                                     layer::ChainStore& chains);
  virtual ~Snapshotter() = default;

  virtual StatusOr<std::unique_ptr<Mountable>> Mount(const layer::Chain& chain,
                                                     const CancelToken& cancel) = 0;

  // `root_of` is the chain that will be below: the upper root gets its root directory's metadata,
  // as an overlay's root shows the upper's.
  virtual StatusOr<std::unique_ptr<Writable>> NewWritable(const layer::Chain& root_of) = 0;

  // Walks what was written into `writable` once: hashes files, adopts them into the blob store,
  // stores the delta, and keeps the directory as its snapshot. Returns base with the delta on top
  // (also when it is empty: a RUN that changes nothing has an empty layer). Nothing may write to
  // the directory any more: no mount, no process.
  virtual StatusOr<layer::Chain> Commit(std::unique_ptr<Writable> writable,
                                        const layer::Chain& base, const CancelToken& cancel) = 0;

  // Writes the tree of `chain` below `path` as real files (the local exporter's server side,
  // tests). `path` is made if missing, its own metadata is not the tree's; what is there already
  // stays, unless the tree has something else of that name.
  virtual Status Export(const layer::Chain& chain, const std::string& path,
                        const CancelToken& cancel) = 0;

  // The bytes on disk that only snapshots have which no Mountable holds. Those can be made again.
  virtual StatusOr<uint64_t> UnusedBytes() = 0;
  // Removes such snapshots, those mounted longest ago first, until `bytes_wanted` are free; returns
  // how many were.
  virtual StatusOr<uint64_t> RemoveUnused(uint64_t bytes_wanted) = 0;
};

}  // namespace cairn::snapshot

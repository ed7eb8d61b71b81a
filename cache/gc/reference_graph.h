// ReferenceGraph: who names which blob, and which record owns it.
//
// References follow the Merkle tree: a record names the roots of its trees, a directory names what
// is in it. So adding a record costs what is new in it, and nothing is ever counted twice. In
// kReferences:
//
//   digest                       -> node: owner (8 bytes), size (varint), is a directory (1 byte)
//   digest + "r" + record number -> "": the record names the blob
//   digest + "d" + digest        -> "": the directory of the second digest holds it
//
// A node without an edge does not exist. Every node is owned by one record, and has an edge from
// that record or from a directory that the same record owns: hence all that a record owns is
// reached from its roots through what it owns, and can be handed on when the record goes.
//
// A ReferenceGraph is one change: it reads the database, keeps what it changes in memory, and puts
// all of it into one batch. Not thread-safe; changes do not overlap.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "cache/blob/database.h"
#include "cache/gc/record_codec.h"
#include "cache/tree/tree_store.h"

namespace cairn::gc {

struct DeadBlob {
  Digest digest;
  bool is_directory = false;
};

class ReferenceGraph {
 public:
  ReferenceGraph(blob::Database& database, tree::TreeStore& trees)
      : database_(database), trees_(trees) {}

  // Has `record` name `digest`: a directory (of a tree) or a plain blob. Fails as
  // BlobStore::Stat does when something below is not stored.
  Status AddRoot(RecordNumber record, const Digest& digest, bool is_directory);

  // Takes back what AddRoot did. Called after every AddRoot of the change.
  Status RemoveRoot(RecordNumber record, const Digest& digest);

  // Ends the change of `record`: lets what hangs on nothing die, and finds owners for what `record`
  // owned and no longer reaches.
  Status Settle(RecordNumber record);

  // What died, each directory before what was in it.
  const std::vector<DeadBlob>& dead() const { return dead_; }
  // By how much the owned bytes of each record change.
  const std::map<RecordNumber, int64_t>& size_changes() const { return size_changes_; }
  void AppendTo(blob::WriteBatch& batch) const;

  // Whether a record names `digest`, directly or not.
  StatusOr<bool> HasNode(const Digest& digest);
  // Whether anything but `record` names `digest`.
  StatusOr<bool> IsShared(RecordNumber record, const Digest& digest);
  // The records from which `digest` is reached.
  StatusOr<std::vector<RecordNumber>> RecordsReaching(const Digest& digest);

 private:
  struct Node {
    RecordNumber owner = 0;
    uint64_t size = 0;
    bool is_directory = false;
  };
  struct NodeState {
    std::optional<Node> node;  // absent: it does not exist (any more)
    bool changed = false;
  };
  struct Addition {
    Digest digest;
    bool is_directory = false;
    RecordNumber owner = 0;  // if the blob is new
  };
  // The end of an edge, as in its key after the blob's digest.
  using Parent = std::string;

  StatusOr<NodeState*> State(const Digest& digest);
  StatusOr<absl::flat_hash_set<Parent>*> Edges(const Digest& digest);
  Status AddNode(RecordNumber owner, const Digest& digest, bool is_directory);
  Status AddChildren(RecordNumber owner, const Digest& directory);
  Status RemoveEdge(const Digest& digest, const Parent& parent);
  Status Kill(const Digest& digest);
  StatusOr<std::vector<Digest>> Children(const Digest& directory);
  StatusOr<std::vector<Digest>> ChildrenByScan(const Digest& directory);
  StatusOr<std::optional<RecordNumber>> NewOwner(const Digest& digest, RecordNumber record);
  Status HandOn(RecordNumber record);

  blob::Database& database_;
  tree::TreeStore& trees_;

  absl::flat_hash_map<Digest, NodeState> nodes_;
  // All edges of blobs that lost one, as they will be.
  absl::flat_hash_map<Digest, absl::flat_hash_set<Parent>> edges_;
  absl::flat_hash_map<Digest, std::vector<Parent>> added_;
  absl::flat_hash_map<Digest, std::vector<Parent>> removed_;
  std::deque<Addition> to_add_;
  std::vector<DeadBlob> dead_;
  std::map<RecordNumber, int64_t> size_changes_;
};

// A directory read so that no lease keeps it for that. kDataLoss when the blob is none,
// kResourceExhausted when it is larger than `limit`.
StatusOr<tree::Directory> PeekDirectory(blob::BlobStore& blobs, const Digest& digest,
                                        uint64_t limit = 512 << 20);

}  // namespace cairn::gc

#include "cache/gc/reference_graph.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/blob/encoding.h"
#include "cache/tree/codec.h"

namespace cairn::gc {
namespace {

using blob::Table;

std::string RecordParent(RecordNumber record) { return absl::StrCat("r", EncodeNumber(record)); }
std::string DirectoryParent(const Digest& directory) { return absl::StrCat("d", directory.raw()); }

StatusOr<RecordNumber> RecordOf(string_view parent) { return DecodeNumber(parent.substr(1)); }
StatusOr<Digest> DirectoryOf(string_view parent) { return Digest::FromRaw(parent.substr(1)); }

std::string EdgeKey(const Digest& digest, string_view parent) {
  return absl::StrCat(digest.raw(), parent);
}

}  // namespace

StatusOr<tree::Directory> PeekDirectory(blob::BlobStore& blobs, const Digest& digest,
                                        uint64_t limit) {
  ASSIGN_OR_RETURN(const std::string bytes, blobs.Peek(digest, limit));
  return tree::Decode(bytes);
}

StatusOr<ReferenceGraph::NodeState*> ReferenceGraph::State(const Digest& digest) {
  const auto known = nodes_.find(digest);
  if (known != nodes_.end()) {
    return &known->second;
  }
  NodeState state;
  ASSIGN_OR_RETURN(const auto bytes, database_.Get(Table::kReferences, digest.raw()));
  if (bytes.has_value()) {
    if (bytes->size() < 8) {
      return absl::DataLossError(absl::StrCat("node ", digest.ToString(), " is truncated"));
    }
    Node node;
    ASSIGN_OR_RETURN(node.owner, DecodeNumber(string_view(*bytes).substr(0, 8)));
    blob::Decoder decoder(string_view(*bytes).substr(8));
    node.size = decoder.Varint();
    node.is_directory = decoder.Byte() != 0;
    RETURN_IF_ERROR(decoder.Finish("node"));
    state.node = node;
  }
  // A pointer into a hash map is good until the next State; callers use it at once.
  return &nodes_.emplace(digest, std::move(state)).first->second;
}

StatusOr<absl::flat_hash_set<ReferenceGraph::Parent>*> ReferenceGraph::Edges(const Digest& digest) {
  const auto known = edges_.find(digest);
  if (known != edges_.end()) {
    return &known->second;
  }
  absl::flat_hash_set<Parent> edges;
  RETURN_IF_ERROR(
      database_.Scan(Table::kReferences, digest.raw(), [&](string_view key, string_view) {
        if (key.size() > Digest::kSize) {
          edges.emplace(key.substr(Digest::kSize));
        }
        return true;
      }));
  const auto added = added_.find(digest);
  if (added != added_.end()) {
    edges.insert(added->second.begin(), added->second.end());
  }
  return &edges_.emplace(digest, std::move(edges)).first->second;
}

Status ReferenceGraph::AddRoot(RecordNumber record, const Digest& digest, bool is_directory) {
  added_[digest].push_back(RecordParent(record));
  to_add_.push_back({.digest = digest, .is_directory = is_directory, .owner = record});
  while (!to_add_.empty()) {
    const Addition next = to_add_.front();
    to_add_.pop_front();
    RETURN_IF_ERROR(AddNode(next.owner, next.digest, next.is_directory));
  }
  return absl::OkStatus();
}

Status ReferenceGraph::AddNode(RecordNumber owner, const Digest& digest, bool is_directory) {
  ASSIGN_OR_RETURN(NodeState * state, State(digest));
  if (state->node.has_value()) {
    if (!is_directory || state->node->is_directory) {
      return absl::OkStatus();
    }
    // So far it was only named as a file's bytes, which happen to be those of a directory.
    state->node->is_directory = true;
  } else {
    ASSIGN_OR_RETURN(const blob::BlobInfo info, trees_.blobs().Stat(digest));
    state->node = Node{.owner = owner, .size = info.size, .is_directory = is_directory};
    size_changes_[owner] += static_cast<int64_t>(info.size);
  }
  state->changed = true;
  return is_directory ? AddChildren(state->node->owner, digest) : absl::OkStatus();
}

Status ReferenceGraph::AddChildren(RecordNumber owner, const Digest& directory) {
  ASSIGN_OR_RETURN(const auto loaded, trees_.Load(directory));
  const Parent parent = DirectoryParent(directory);
  absl::flat_hash_set<Digest> seen;
  for (const tree::Entry& entry : loaded->entries) {
    if (!entry.file.has_value() && !entry.directory.has_value()) {
      continue;
    }
    const bool is_directory = entry.directory.has_value();
    const Digest& child = is_directory ? entry.directory->digest : *entry.file;
    if (seen.insert(child).second) {
      added_[child].push_back(parent);
    }
    to_add_.push_back({.digest = child, .is_directory = is_directory, .owner = owner});
  }
  return absl::OkStatus();
}

Status ReferenceGraph::RemoveRoot(RecordNumber record, const Digest& digest) {
  return RemoveEdge(digest, RecordParent(record));
}

Status ReferenceGraph::RemoveEdge(const Digest& digest, const Parent& parent) {
  ASSIGN_OR_RETURN(absl::flat_hash_set<Parent> * edges, Edges(digest));
  if (edges->erase(parent) > 0) {
    removed_[digest].push_back(parent);
  }
  return absl::OkStatus();
}

Status ReferenceGraph::Settle(RecordNumber record) {
  // Breadth first: a blob dies with its last edge, so a directory dies before what is in it.
  std::deque<Digest> lost_an_edge;
  for (const auto& [digest, parents] : removed_) {
    lost_an_edge.push_back(digest);
  }
  while (!lost_an_edge.empty()) {
    const Digest digest = lost_an_edge.front();
    lost_an_edge.pop_front();
    ASSIGN_OR_RETURN(const auto* edges, Edges(digest));
    ASSIGN_OR_RETURN(const NodeState* state, State(digest));
    if (!edges->empty() || !state->node.has_value()) {
      continue;
    }
    const bool is_directory = state->node->is_directory;
    RETURN_IF_ERROR(Kill(digest));
    if (!is_directory) {
      continue;
    }
    ASSIGN_OR_RETURN(const std::vector<Digest> children, Children(digest));
    for (const Digest& child : children) {
      RETURN_IF_ERROR(RemoveEdge(child, DirectoryParent(digest)));
      lost_an_edge.push_back(child);
    }
  }
  return HandOn(record);
}

Status ReferenceGraph::Kill(const Digest& digest) {
  ASSIGN_OR_RETURN(NodeState * state, State(digest));
  size_changes_[state->node->owner] -= static_cast<int64_t>(state->node->size);
  dead_.push_back({.digest = digest, .is_directory = state->node->is_directory});
  state->node.reset();
  state->changed = true;
  return absl::OkStatus();
}

StatusOr<std::vector<Digest>> ReferenceGraph::Children(const Digest& directory) {
  const StatusOr<tree::Directory> loaded = PeekDirectory(trees_.blobs(), directory);
  if (absl::IsNotFound(loaded.status()) || absl::IsDataLoss(loaded.status())) {
    return ChildrenByScan(directory);
  }
  RETURN_IF_ERROR(loaded.status());
  std::vector<Digest> children;
  absl::flat_hash_set<Digest> seen;
  for (const tree::Entry& entry : loaded->entries) {
    if (entry.directory.has_value() && seen.insert(entry.directory->digest).second) {
      children.push_back(entry.directory->digest);
    }
    if (entry.file.has_value() && seen.insert(*entry.file).second) {
      children.push_back(*entry.file);
    }
  }
  return children;
}

// The slow way, for a directory whose bytes are lost.
StatusOr<std::vector<Digest>> ReferenceGraph::ChildrenByScan(const Digest& directory) {
  const Parent parent = DirectoryParent(directory);
  std::vector<Digest> children;
  Status failure;
  RETURN_IF_ERROR(database_.Scan(Table::kReferences, "", [&](string_view key, string_view) {
    if (key.size() > Digest::kSize && key.substr(Digest::kSize) == parent) {
      const StatusOr<Digest> child = Digest::FromRaw(key.substr(0, Digest::kSize));
      failure.Update(child.status());
      if (child.ok()) {
        children.push_back(*child);
      }
    }
    return failure.ok();
  }));
  RETURN_IF_ERROR(failure);
  return children;
}

// An owner for `digest` in place of `record`; nullopt when `record` may keep it: it names it, or
// owns a directory that holds it.
StatusOr<std::optional<RecordNumber>> ReferenceGraph::NewOwner(const Digest& digest,
                                                               RecordNumber record) {
  ASSIGN_OR_RETURN(const auto* found, Edges(digest));
  const std::vector<Parent> edges(found->begin(), found->end());
  std::optional<RecordNumber> other;
  for (const Parent& parent : edges) {
    RecordNumber owner = record;
    if (parent[0] == 'r') {
      ASSIGN_OR_RETURN(owner, RecordOf(parent));
    } else {
      ASSIGN_OR_RETURN(const Digest directory, DirectoryOf(parent));
      ASSIGN_OR_RETURN(const NodeState* state, State(directory));
      if (!state->node.has_value()) {
        continue;
      }
      owner = state->node->owner;
    }
    if (owner == record) {
      return std::optional<RecordNumber>();
    }
    other = owner;
  }
  return other;
}

// The topmost of what `record` owned and no longer reaches has lost an edge; what is below is found
// by going down from there. A blob below a directory that still is the record's stays for now: if
// that directory is handed on later, the blob is looked at again.
Status ReferenceGraph::HandOn(RecordNumber record) {
  std::vector<Digest> to_check;
  for (const auto& [digest, parents] : removed_) {
    to_check.push_back(digest);
  }
  while (!to_check.empty()) {
    const Digest digest = to_check.back();
    to_check.pop_back();
    ASSIGN_OR_RETURN(const NodeState* present, State(digest));
    if (!present->node.has_value() || present->node->owner != record) {
      continue;
    }
    ASSIGN_OR_RETURN(const auto owner, NewOwner(digest, record));
    if (!owner.has_value()) {
      continue;
    }
    ASSIGN_OR_RETURN(NodeState * state, State(digest));
    size_changes_[record] -= static_cast<int64_t>(state->node->size);
    size_changes_[*owner] += static_cast<int64_t>(state->node->size);
    state->node->owner = *owner;
    state->changed = true;
    if (state->node->is_directory) {
      ASSIGN_OR_RETURN(const std::vector<Digest> children, Children(digest));
      to_check.insert(to_check.end(), children.begin(), children.end());
    }
  }
  return absl::OkStatus();
}

void ReferenceGraph::AppendTo(blob::WriteBatch& batch) const {
  // In the order of the keys, which is several times faster for the database than any other.
  std::vector<Digest> digests;
  for (const auto& [digest, state] : nodes_) {
    digests.push_back(digest);
  }
  std::sort(digests.begin(), digests.end());
  for (const Digest& digest : digests) {
    const NodeState& state = nodes_.at(digest);
    if (state.changed && !state.node.has_value()) {
      batch.Delete(Table::kReferences, digest.raw());
    } else if (state.changed) {
      blob::Encoder encoder;
      encoder.Varint(state.node->size).Byte(state.node->is_directory ? 1 : 0);
      batch.Put(Table::kReferences, digest.raw(),
                absl::StrCat(EncodeNumber(state.node->owner), encoder.bytes()));
    }
    const auto added = added_.find(digest);
    if (added != added_.end()) {
      for (const Parent& parent : added->second) {
        batch.Put(Table::kReferences, EdgeKey(digest, parent), "");
      }
    }
    const auto removed = removed_.find(digest);
    if (removed != removed_.end()) {
      for (const Parent& parent : removed->second) {
        batch.Delete(Table::kReferences, EdgeKey(digest, parent));
      }
    }
  }
}

StatusOr<bool> ReferenceGraph::HasNode(const Digest& digest) {
  ASSIGN_OR_RETURN(const NodeState* state, State(digest));
  return state->node.has_value();
}

StatusOr<bool> ReferenceGraph::IsShared(RecordNumber record, const Digest& digest) {
  const Parent own = RecordParent(record);
  bool shared = false;
  RETURN_IF_ERROR(
      database_.Scan(Table::kReferences, digest.raw(), [&](string_view key, string_view) {
        shared = key.size() > Digest::kSize && key.substr(Digest::kSize) != own;
        return !shared;
      }));
  return shared;
}

StatusOr<std::vector<RecordNumber>> ReferenceGraph::RecordsReaching(const Digest& digest) {
  std::vector<RecordNumber> records;
  absl::flat_hash_set<Digest> seen = {digest};
  std::vector<Digest> to_climb = {digest};
  while (!to_climb.empty()) {
    const Digest current = to_climb.back();
    to_climb.pop_back();
    ASSIGN_OR_RETURN(const auto* edges, Edges(current));
    for (const Parent& parent : *edges) {
      if (parent[0] == 'r') {
        ASSIGN_OR_RETURN(const RecordNumber record, RecordOf(parent));
        records.push_back(record);
        continue;
      }
      ASSIGN_OR_RETURN(const Digest directory, DirectoryOf(parent));
      if (seen.insert(directory).second) {
        to_climb.push_back(directory);
      }
    }
  }
  return records;
}

}  // namespace cairn::gc

// A mutable view of a Tree: edits are splices, only the directories on edited paths are decoded and
// only Commit stores them.
//
// Paths are resolved within the tree: links on the way are followed, ".." stops at the root. Not
// thread-safe; the store outlives the editor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/tree/directory.h"
#include "cache/tree/tree_store.h"

namespace cairn::tree {

class Editor {
 public:
  // Starts from `base`, or from an empty root directory.
  Editor(TreeStore& store, std::optional<TreeRef> base);
  ~Editor();

  // The entry at `path`; nullopt when absent. The last link is followed only when `follow`. For a
  // directory, `metadata` is the directory's own, and `directory` is absent while it (or anything
  // below it) may have edits that are not committed.
  StatusOr<std::optional<Entry>> Get(string_view path, bool follow);
  // The names in a directory, sorted. kNotFound when absent, kFailedPrecondition when it is none.
  StatusOr<std::vector<std::string>> List(string_view path);
  StatusOr<fs::Metadata> DirectoryMetadata(string_view path);
  Status SetDirectoryMetadata(string_view path, const fs::Metadata& metadata);

  // Resolves `path` to where it is (or would be) within the tree: links in every directory
  // component are followed, also those whose target does not exist.
  StatusOr<std::string> Resolve(string_view path, bool follow_last);

  // Puts `entry` (its name is ignored) at `path`, replacing what is there; the parent must exist
  // (kNotFound) and be a directory (kFailedPrecondition). A link at `path` itself is replaced. A
  // kDirectory entry splices a whole stored tree in; the root cannot be replaced.
  Status Put(string_view path, Entry entry);

  // Makes the directory; existing directories stay as they are. With `parents`, all missing ones
  // get `metadata`. Paths made are appended to `made` when it is not null. kFailedPrecondition when
  // something else is in the way.
  Status MakeDirectory(string_view path, const fs::Metadata& metadata, bool parents,
                       std::vector<std::string>* made = nullptr);

  // kNotFound when absent; the root cannot be removed.
  Status Remove(string_view path);

  // Stores the tree as edited; editing may go on.
  StatusOr<TreeRef> Commit();

 private:
  struct Node;
  struct Position;
  StatusOr<Position> Locate(string_view path, bool follow);
  StatusOr<Node*> LocateDirectory(string_view path);
  StatusOr<Node*> Enter(Node& parent, const Entry& entry);
  StatusOr<TreeRef> CommitNode(Node& node);

  TreeStore& store_;
  std::unique_ptr<Node> root_;
};

}  // namespace cairn::tree

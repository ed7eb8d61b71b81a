// What each action of a file operation (pb.FileAction) does to a tree.
//
// Paths come from clients: they are resolved within the tree that is edited or copied from.
#pragma once

#include <cstdint>
#include <optional>

#include "cache/tree/editor.h"
#include "cache/tree/tree_store.h"
#include "daemon/ops/owner.h"
#include "proto/ops.pb.h"
#include "runtime/base/cancel.h"

namespace cairn::ops {

// The tree an action changes, and what it needs besides.
struct ActionTarget {
  tree::TreeStore& store;
  tree::Editor& editor;
  // The tree before this action; absent for scratch.
  std::optional<tree::TreeRef> before;
  std::optional<Owner> owner;
  int64_t now_ns = 0;  // mtime of what is made without a timestamp
};

Status MakeDirectory(const ActionTarget& target, const pb::FileActionMkDir& action);
Status MakeFile(const ActionTarget& target, const pb::FileActionMkFile& action);
Status MakeSymlink(const ActionTarget& target, const pb::FileActionSymlink& action);
Status RemovePath(const ActionTarget& target, const pb::FileActionRm& action);

// `source` absent is scratch.
Status CopyPaths(const ActionTarget& target, const std::optional<tree::TreeRef>& source,
                 const pb::FileActionCopy& action, const CancelToken& cancel);

}  // namespace cairn::ops

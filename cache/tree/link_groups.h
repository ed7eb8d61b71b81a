// Numbers for hard-link groups: files of one tree with the same non-zero number are one inode.
//
// A number is a hash, so that groups made apart do not meet. Still, a delta may replace some
// members of a group and not others: whoever makes inodes links two files only when group, bytes
// and metadata are all equal.
#pragma once

#include <cstdint>
#include <string>

#include "cache/tree/directory.h"
#include "cache/tree/tree_store.h"

namespace cairn::tree {

// The number of the group whose first path, in Walk order, is `first_path` and whose members are as
// `file`. Never 0.
uint64_t LinkGroupOf(string_view first_path, const Entry& file);

// The number that a copy of `group` gets under `salt` (what tells this copy from others of the same
// tree: its destination). 0 stays 0.
uint64_t RemapLinkGroup(uint64_t group, string_view salt);

// `tree` with every group renumbered by RemapLinkGroup, so that two copies of one tree are not each
// other's links. A tree without groups is returned as it is, at no cost.
StatusOr<TreeRef> RemapLinkGroups(TreeStore& store, const TreeRef& tree, string_view salt);

}  // namespace cairn::tree

// The parts of a tree that patterns select: wildcards, and include and exclude lists.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cache/tree/algebra.h"
#include "cache/tree/directory.h"
#include "cache/tree/tree_store.h"

namespace cairn::tree {

// What `pattern` (Go filepath.Match, component by component) matches, sorted; empty when nothing.
// Components before the first wildcard are followed as in Lookup; from there on links are only
// matched. With `follow` a match that is a link stands for what it leads to. `path` in the results
// is as matched, so that its base name is the name that a copy gets.
StatusOr<std::vector<Found>> ExpandWildcards(TreeStore& store, const TreeRef& root,
                                             string_view pattern, bool follow);

// The part of the directory `tree` that the moby patternmatcher lists select, stored: what
// `include` matches (empty = all) and `exclude` does not. Directories are in it when they are
// selected or something below them is; the root always is. Patterns are relative to `tree`.
// kInvalidArgument for a malformed pattern.
StatusOr<TreeRef> Filter(TreeStore& store, const TreeRef& tree,
                         const std::vector<std::string>& include,
                         const std::vector<std::string>& exclude);

}  // namespace cairn::tree

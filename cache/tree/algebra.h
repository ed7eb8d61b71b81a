// The algebra of trees: apply, diff, look up, walk, digest a selection. Every function reads only
// the directories on the paths that differ; no file content is read.
//
// Thread-safe, as the store is. Trees deeper than kMaxDepth are kResourceExhausted.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "cache/tree/directory.h"
#include "cache/tree/tree_store.h"

namespace cairn::tree {

// Which directories of a base an Apply replaced, and the new ones.
struct Changes {
  absl::flat_hash_set<Digest> replaced;
  std::vector<Digest> made;
};

// What `delta` makes of `base`: Apply(base, Diff(base, upper)) == upper. The result is a whole
// tree: no whiteouts, nothing opaque or implied. `changes`, if not null, is added to.
StatusOr<TreeRef> Apply(TreeStore& store, const TreeRef& base, const TreeRef& delta,
                        Changes* changes = nullptr);

// `delta` with its implied directories settled for lying on `base`: those take the metadata of the
// directory that they lie on. Where `base` has a link instead, what the implied directory holds
// goes to where the link leads, as if written through it. A delta without any is returned as it is.
StatusOr<TreeRef> Complete(TreeStore& store, const TreeRef& base, const TreeRef& delta);

// One delta that does what `lower` and then `upper` do.
StatusOr<TreeRef> Squash(TreeStore& store, const TreeRef& lower, const TreeRef& upper);

// The delta that makes `upper` of `lower`; nullopt when they are equal. Directories on the way to a
// change are in it with upper's metadata, as an overlay file system would have copied them up.
StatusOr<std::optional<TreeRef>> Diff(TreeStore& store, const TreeRef& lower, const TreeRef& upper);

// A file, directory or link found in a tree.
struct Found {
  std::string path;  // where it is after following links on the way, "" for the root
  Entry entry;       // the root has an empty name
};

// Finds `path` ("/" or "" is the root; ".." never leads above the root). Symlinks on the way are
// followed within the tree; the last component only when `follow`. kNotFound when absent; loops of
// more than 255 links are kInvalidArgument.
StatusOr<Found> Lookup(TreeStore& store, const TreeRef& root, string_view path, bool follow);

// Where `path` is, or would be: as Lookup with `follow`, but nothing has to be there.
StatusOr<std::string> ResolveIn(TreeStore& store, const TreeRef& root, string_view path);

// Visits every entry below `root` in the order of a layer: a directory before its entries, siblings
// by name. `path` has no leading slash. `directory` is the decoded child when the entry is one. A
// visit that returns kStop ends the walk, kSkip does not descend.
enum class Visit { kContinue, kSkip, kStop };
Status Walk(TreeStore& store, const TreeRef& root,
            const std::function<StatusOr<Visit>(const std::string& path, const Entry& entry,
                                                const Directory* directory)>& visit);

// Which part of an input tree a step depends on.
struct Selection {
  // Paths as written by the user, "/" for everything. With `wildcards`, each may be a Go
  // filepath.Match pattern.
  std::vector<std::string> paths = {"/"};
  bool wildcards = false;
  bool follow = true;  // follow a link that is the last component
  // moby patternmatcher lists relative to each matched directory; empty include means all.
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  friend bool operator==(const Selection&, const Selection&) = default;
};

// The content digest of what `selection` names: equal when a copy of it would be equal but for
// mtimes. What a pattern matches counts with its base names; a path without wildcards counts
// without its name, which is in the step's own description. Everything ("/") has the root's own
// content digest. A path that is absent and no pattern is kNotFound: "\"/x\": not found".
StatusOr<Digest> ContentDigest(TreeStore& store, const TreeRef& root, const Selection& selection);

}  // namespace cairn::tree

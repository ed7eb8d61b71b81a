#include "cache/snapshot/settle.h"

#include <memory>
#include <utility>

#include "cache/tree/algebra.h"

namespace cairn::snapshot {
namespace {

using tree::Directory;
using tree::Entry;
using tree::TreeRef;

// `below` is null where the delta's directory lies on nothing.
StatusOr<TreeRef> WithoutNeedless(tree::TreeStore& trees, const TreeRef* below,
                                  const TreeRef& delta, int depth) {
  if (!delta.Has(TreeRef::kHasWhiteouts)) {
    return delta;
  }
  if (depth > tree::kMaxDepth) {
    return absl::ResourceExhaustedError("directories are nested too deeply");
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> over, trees.Load(delta.digest));
  std::shared_ptr<const Directory> base;
  if (below != nullptr) {
    ASSIGN_OR_RETURN(base, trees.Load(below->digest));
  }
  Directory result;
  result.metadata = over->metadata;
  result.opaque = over->opaque && (depth == 0 || base != nullptr);
  result.touched = over->touched;
  const Directory* through = over->opaque ? nullptr : base.get();
  for (const Entry& entry : over->entries) {
    const Entry* hidden = through == nullptr ? nullptr : through->Find(entry.name);
    if (entry.type == Entry::Type::kWhiteout && hidden == nullptr) {
      continue;
    }
    result.entries.push_back(entry);
    if (entry.type == Entry::Type::kDirectory) {
      const bool on_directory = hidden != nullptr && hidden->type == Entry::Type::kDirectory;
      ASSIGN_OR_RETURN(result.entries.back().directory,
                       WithoutNeedless(trees, on_directory ? &*hidden->directory : nullptr,
                                       *entry.directory, depth + 1));
    }
  }
  return result == *over ? StatusOr<TreeRef>(delta) : trees.Store(std::move(result));
}

}  // namespace

bool MayNeedSettling(const TreeRef& delta) {
  return delta.Has(TreeRef::kHasImplied) || delta.Has(TreeRef::kHasWhiteouts);
}

StatusOr<TreeRef> Settle(tree::TreeStore& trees, const TreeRef& base, const TreeRef& delta) {
  ASSIGN_OR_RETURN(const TreeRef complete, tree::Complete(trees, base, delta));
  return WithoutNeedless(trees, &base, complete, 0);
}

}  // namespace cairn::snapshot

#include <utility>

#include "cache/tree/algebra.h"

namespace cairn::tree {
namespace {

Entry Whiteout(const std::string& name) {
  Entry entry;
  entry.name = name;
  entry.type = Entry::Type::kWhiteout;
  return entry;
}

// Links that a file has got or lost elsewhere do not change it.
bool AreEqual(const Entry& was, const Entry& is) {
  if (was.link_group == is.link_group) {
    return was == is;
  }
  Entry same = is;
  same.link_group = was.link_group;
  return was == same;
}

bool BothDirectories(const Entry& a, const Entry& b) {
  return a.type == Entry::Type::kDirectory && b.type == Entry::Type::kDirectory;
}

// The delta of two directories that differ. The root is never said to be touched: that it is there
// says nothing.
StatusOr<TreeRef> DiffDirectories(TreeStore& store, const TreeRef& lower, const TreeRef& upper,
                                  int depth) {
  if (depth > kMaxDepth) {
    return absl::ResourceExhaustedError("directories are nested too deeply");
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> before, store.Load(lower.digest));
  ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> after, store.Load(upper.digest));
  Directory delta;
  delta.metadata = after->metadata;
  delta.touched = depth > 0 && EqualButTimes(before->metadata, after->metadata);
  auto old = before->entries.begin();
  const auto old_end = before->entries.end();
  for (const Entry& entry : after->entries) {
    for (; old != old_end && old->name < entry.name; ++old) {
      delta.entries.push_back(Whiteout(old->name));
    }
    if (old == old_end || old->name != entry.name) {
      delta.entries.push_back(entry);
      continue;
    }
    const Entry& was = *old++;
    if (AreEqual(was, entry)) {
      continue;
    }
    delta.entries.push_back(entry);
    if (BothDirectories(was, entry)) {
      ASSIGN_OR_RETURN(delta.entries.back().directory,
                       DiffDirectories(store, *was.directory, *entry.directory, depth + 1));
    }
  }
  for (; old != old_end; ++old) {
    delta.entries.push_back(Whiteout(old->name));
  }
  return store.Store(std::move(delta));
}

}  // namespace

StatusOr<std::optional<TreeRef>> Diff(TreeStore& store, const TreeRef& lower,
                                      const TreeRef& upper) {
  if (lower == upper) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(TreeRef delta, DiffDirectories(store, lower, upper, 0));
  return std::optional<TreeRef>(std::move(delta));
}

}  // namespace cairn::tree

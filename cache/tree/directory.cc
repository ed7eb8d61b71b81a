#include "cache/tree/directory.h"

#include <algorithm>

namespace cairn::tree {

const Entry* Directory::Find(string_view name) const {
  const auto found = std::lower_bound(
      entries.begin(), entries.end(), name,
      [](const Entry& entry, string_view wanted) { return string_view(entry.name) < wanted; });
  return found != entries.end() && string_view(found->name) == name ? &*found : nullptr;
}

fs::Metadata DefaultDirectoryMetadata() {
  fs::Metadata metadata;
  metadata.mode = 0755;
  return metadata;
}

bool EqualButTimes(const fs::Metadata& a, const fs::Metadata& b) {
  return a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.xattrs == b.xattrs;
}

}  // namespace cairn::tree

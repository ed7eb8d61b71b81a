#include "cache/tree/link_groups.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cairn::tree {
namespace {

uint64_t NumberOf(const std::string& preimage) {
  uint64_t number = 0;
  const Digest digest = Digest::Of(preimage);
  for (size_t i = 0; i < sizeof number; ++i) {
    number = number << 8 | digest.bytes()[i];
  }
  return number == 0 ? 1 : number;
}

StatusOr<TreeRef> Remap(TreeStore& store, const TreeRef& tree, string_view salt, int depth) {
  if (!tree.Has(TreeRef::kHasLinkGroups)) {
    return tree;
  }
  if (depth > kMaxDepth) {
    return absl::ResourceExhaustedError("directories are nested too deeply");
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> loaded, store.Load(tree.digest));
  Directory copy = *loaded;
  for (Entry& entry : copy.entries) {
    entry.link_group = RemapLinkGroup(entry.link_group, salt);
    if (entry.type == Entry::Type::kDirectory) {
      ASSIGN_OR_RETURN(entry.directory, Remap(store, *entry.directory, salt, depth + 1));
    }
  }
  return store.Store(std::move(copy));
}

}  // namespace

uint64_t LinkGroupOf(string_view first_path, const Entry& file) {
  const fs::Metadata& metadata = file.metadata;
  return NumberOf(absl::StrCat("link group\n", file.file ? file.file->hex() : "", " ",
                               metadata.mode, " ", metadata.uid, " ", metadata.gid, " ",
                               metadata.mtime_ns, "\n", first_path));
}

uint64_t RemapLinkGroup(uint64_t group, string_view salt) {
  return group == 0 ? 0 : NumberOf(absl::StrCat("copied link group\n", group, "\n", salt));
}

StatusOr<TreeRef> RemapLinkGroups(TreeStore& store, const TreeRef& tree, string_view salt) {
  if (tree.encoded_size != 0) {
    return Remap(store, tree, salt, 0);
  }
  ASSIGN_OR_RETURN(const TreeRef known, store.RefOf(tree.digest));
  return Remap(store, known, salt, 0);
}

}  // namespace cairn::tree

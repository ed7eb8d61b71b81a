#include "daemon/ops/tree_copy.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/tree/link_groups.h"
#include "runtime/base/go_match.h"

namespace cairn::ops {
namespace {

tree::Entry DirectoryEntry(const tree::TreeRef& tree) {
  tree::Entry entry;
  entry.type = tree::Entry::Type::kDirectory;
  entry.directory = tree;
  return entry;
}

}  // namespace

fs::Metadata TreeCopier::Changed(fs::Metadata metadata, bool is_directory, bool is_link) const {
  if (options_.owner) {
    metadata.uid = options_.owner->uid;
    metadata.gid = options_.owner->gid;
  }
  if (options_.mode && !is_link) {
    metadata.mode = options_.mode->Apply(metadata.mode, is_directory);
  }
  if (options_.mtime_ns) {
    metadata.mtime_ns = *options_.mtime_ns;
  }
  return metadata;
}

// `directory` with the options applied to it and all below.
StatusOr<tree::TreeRef> TreeCopier::Changed(const tree::TreeRef& directory) {
  if (!ChangesAnything()) {
    return directory;
  }
  const auto done = changed_.find(directory.digest);
  if (done != changed_.end()) {
    return done->second;
  }
  ASSIGN_OR_RETURN(const auto loaded, store_.Load(directory.digest));
  tree::Directory changed = *loaded;
  changed.metadata = Changed(changed.metadata, /*is_directory=*/true, /*is_link=*/false);
  for (tree::Entry& entry : changed.entries) {
    if (entry.type == tree::Entry::Type::kDirectory) {
      ASSIGN_OR_RETURN(entry.directory, Changed(*entry.directory));
    } else {
      entry.metadata = Changed(entry.metadata, /*is_directory=*/false,
                               entry.type == tree::Entry::Type::kSymlink);
    }
  }
  ASSIGN_OR_RETURN(const tree::TreeRef stored, store_.Store(changed));
  changed_.emplace(directory.digest, stored);
  return stored;
}

Status TreeCopier::CopyFile(tree::Entry source, const std::string& path) {
  ASSIGN_OR_RETURN(const std::optional<tree::Entry> existing, editor_.Get(path, /*follow=*/false));
  if (existing && existing->type == tree::Entry::Type::kDirectory && !options_.replace_existing) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot replace to directory ", JoinPath("/", path), " with file"));
  }
  source.metadata =
      Changed(source.metadata, /*is_directory=*/false, source.type == tree::Entry::Type::kSymlink);
  return editor_.Put(path, std::move(source));
}

Status TreeCopier::CopyDirectory(const tree::TreeRef& source, const std::string& path,
                                 bool overwrite_metadata) {
  // Another copy of these files must not become their hard link, nor one of a directory beside this
  // that goes to the same place.
  const std::string salt = absl::StrCat(path, " from ", source.digest.ToString());
  ASSIGN_OR_RETURN(const tree::TreeRef copy, tree::RemapLinkGroups(store_, source, salt));
  return Merge(copy, path, overwrite_metadata);
}

StatusOr<tree::TreeRef> TreeCopier::Settled(const tree::TreeRef& directory) {
  if (!directory.Has(tree::TreeRef::kHasImplied)) {
    return directory;
  }
  ASSIGN_OR_RETURN(const auto loaded, store_.Load(directory.digest));
  tree::Directory settled = *loaded;
  if (settled.implied) {
    settled.implied = false;
    settled.metadata = {.mode = 0755, .mtime_ns = options_.implied_mtime_ns};
  }
  for (tree::Entry& entry : settled.entries) {
    if (entry.type == tree::Entry::Type::kDirectory) {
      ASSIGN_OR_RETURN(entry.directory, Settled(*entry.directory));
    }
  }
  return store_.Store(std::move(settled));
}

StatusOr<std::optional<std::string>> TreeCopier::FollowImplied(const tree::Directory& directory,
                                                               const tree::Entry& existing,
                                                               const std::string& path) {
  if (!directory.implied || existing.type != tree::Entry::Type::kSymlink) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const std::optional<tree::Entry> target, editor_.Get(path, /*follow=*/true));
  if (!target || target->type != tree::Entry::Type::kDirectory) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(std::string resolved, editor_.Resolve(path, /*follow_last=*/true));
  return std::optional<std::string>(std::move(resolved));
}

Status TreeCopier::Merge(const tree::TreeRef& source, const std::string& path,
                         bool overwrite_metadata) {
  ASSIGN_OR_RETURN(const std::optional<tree::Entry> existing, editor_.Get(path, /*follow=*/false));
  ASSIGN_OR_RETURN(const auto directory, store_.Load(source.digest));
  if (existing) {
    ASSIGN_OR_RETURN(const auto elsewhere, FollowImplied(*directory, *existing, path));
    if (elsewhere) {
      return Merge(source, *elsewhere, overwrite_metadata);
    }
  }
  if (!existing || (existing->type != tree::Entry::Type::kDirectory && options_.replace_existing)) {
    ASSIGN_OR_RETURN(const tree::TreeRef changed, Changed(source));
    ASSIGN_OR_RETURN(const tree::TreeRef settled, Settled(changed));
    return editor_.Put(path, DirectoryEntry(settled));
  }
  if (existing->type != tree::Entry::Type::kDirectory) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot copy to non-directory: ", JoinPath("/", path)));
  }
  if (overwrite_metadata && !directory->implied) {
    RETURN_IF_ERROR(editor_.SetDirectoryMetadata(
        path, Changed(directory->metadata, /*is_directory=*/true, /*is_link=*/false)));
  }
  for (const tree::Entry& entry : directory->entries) {
    const std::string below = JoinPath(path, entry.name);
    if (entry.type == tree::Entry::Type::kDirectory) {
      RETURN_IF_ERROR(Merge(*entry.directory, below, /*overwrite_metadata=*/true));
    } else {
      RETURN_IF_ERROR(CopyFile(entry, below));
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::ops

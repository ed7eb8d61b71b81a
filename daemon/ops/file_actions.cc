#include "daemon/ops/file_actions.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/tree/selection.h"
#include "runtime/base/go_match.h"
#include "runtime/base/path_text.h"

namespace cairn::ops {
namespace {

using tree::Entry;

// As the system would have put it: "mkdir /a/b: no such file or directory".
Status PathError(string_view operation, string_view path, int error) {
  return ErrnoStatus(error, absl::StrCat(operation, " ", JoinPath("/", path)));
}

int64_t TimeOf(const ActionTarget& target, int64_t timestamp) {
  return timestamp == -1 ? target.now_ns : timestamp;
}

fs::Metadata NewMetadata(const ActionTarget& target, uint32_t mode, int64_t timestamp) {
  fs::Metadata metadata{.mode = mode, .mtime_ns = TimeOf(target, timestamp)};
  if (target.owner) {
    metadata.uid = target.owner->uid;
    metadata.gid = target.owner->gid;
  }
  return metadata;
}

// OK when the parent of `path` (resolved) is a directory.
Status CheckParent(const ActionTarget& target, string_view operation, const std::string& path) {
  ASSIGN_OR_RETURN(const auto parent, target.editor.Get(ParentOf(path), /*follow=*/false));
  if (!parent) {
    return PathError(operation, path, ENOENT);
  }
  if (parent->type != Entry::Type::kDirectory) {
    return PathError(operation, path, ENOTDIR);
  }
  return absl::OkStatus();
}

Status RemoveOne(const ActionTarget& target, string_view path, bool allow_not_found) {
  const std::string clean = CleanPath(absl::StrCat("/", path));
  if (clean == "/") {
    return absl::InvalidArgumentError("rm: invalid empty path");
  }
  ASSIGN_OR_RETURN(const std::string resolved, target.editor.Resolve(clean, /*follow_last=*/false));
  ASSIGN_OR_RETURN(const auto existing, target.editor.Get(clean, /*follow=*/false));
  if (existing) {
    return target.editor.Remove(resolved);
  }
  return allow_not_found ? absl::OkStatus() : PathError("stat", path, ENOENT);
}

}  // namespace

Status MakeDirectory(const ActionTarget& target, const pb::FileActionMkDir& action) {
  const auto mode = static_cast<uint32_t>(action.mode()) & 0777;
  ASSIGN_OR_RETURN(
      const std::string path,
      target.editor.Resolve(CleanPath(absl::StrCat("/", action.path())), /*follow_last=*/true));
  ASSIGN_OR_RETURN(const auto existing, target.editor.Get(path, /*follow=*/false));
  if (existing && (existing->type == Entry::Type::kDirectory || !action.makeparents())) {
    return absl::OkStatus();
  }
  if (existing) {
    return PathError("mkdir", path, ENOTDIR);
  }
  if (!action.makeparents()) {
    RETURN_IF_ERROR(CheckParent(target, "mkdir", path));
  }
  const Status made = target.editor.MakeDirectory(
      path, NewMetadata(target, mode, action.timestamp()), action.makeparents());
  return made.ok() ? made : Annotate(made, absl::StrCat("lstat ", JoinPath("/", path)));
}

Status MakeFile(const ActionTarget& target, const pb::FileActionMkFile& action) {
  ASSIGN_OR_RETURN(
      const std::string path,
      target.editor.Resolve(CleanPath(absl::StrCat("/", action.path())), /*follow_last=*/true));
  ASSIGN_OR_RETURN(const auto existing, target.editor.Get(path, /*follow=*/false));
  if (path.empty() || (existing && existing->type == Entry::Type::kDirectory)) {
    return PathError("open", path, EISDIR);
  }
  RETURN_IF_ERROR(CheckParent(target, "open", path));
  Entry entry;
  entry.type = Entry::Type::kFile;
  entry.metadata =
      NewMetadata(target, static_cast<uint32_t>(action.mode()) & 0777, action.timestamp());
  if (existing && existing->type == Entry::Type::kFile) {
    // Written to, not replaced: it stays whose it is and what may be done with it.
    const fs::Metadata made = std::exchange(entry.metadata, existing->metadata);
    entry.metadata.mtime_ns = made.mtime_ns;
    if (target.owner) {
      entry.metadata.uid = made.uid;
      entry.metadata.gid = made.gid;
    }
  }
  ASSIGN_OR_RETURN(entry.file, target.store.blobs().Put(action.data()));
  entry.size = action.data().size();
  return target.editor.Put(path, std::move(entry));
}

Status MakeSymlink(const ActionTarget& target, const pb::FileActionSymlink& action) {
  ASSIGN_OR_RETURN(
      const std::string path,
      target.editor.Resolve(CleanPath(absl::StrCat("/", action.newpath())), /*follow_last=*/true));
  ASSIGN_OR_RETURN(const auto existing, target.editor.Get(path, /*follow=*/false));
  const std::string operation = absl::StrCat("symlink ", action.oldpath());
  if (existing || path.empty()) {
    return PathError(operation, path, EEXIST);
  }
  if (action.oldpath().empty()) {
    return PathError(operation, path, ENOENT);
  }
  RETURN_IF_ERROR(CheckParent(target, operation, path));
  Entry entry;
  entry.type = Entry::Type::kSymlink;
  entry.target = action.oldpath();
  entry.metadata = NewMetadata(target, 0777, action.timestamp());
  return target.editor.Put(path, std::move(entry));
}

Status RemovePath(const ActionTarget& target, const pb::FileActionRm& action) {
  if (!action.allowwildcard() || !HasGoWildcard(action.path())) {
    return RemoveOne(target, action.path(), action.allownotfound());
  }
  if (!target.before) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::vector<tree::Found> matches,
                   tree::ExpandWildcards(target.store, *target.before,
                                         CleanPath(absl::StrCat("/", action.path())),
                                         /*follow=*/false));
  for (const tree::Found& match : matches) {
    RETURN_IF_ERROR(RemoveOne(target, match.path, action.allownotfound()));
  }
  return absl::OkStatus();
}

}  // namespace cairn::ops

// The copy action: where sources go, as BuildKit's clients expect it (protocol.md A.2).
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/layer/importer.h"
#include "cache/tree/selection.h"
#include "daemon/ops/file_actions.h"
#include "daemon/ops/tree_copy.h"
#include "runtime/base/go_match.h"
#include "runtime/base/path_text.h"
#include "runtime/fs/compression.h"
#include "runtime/fs/tar_reader.h"

namespace cairn::ops {
namespace {

using tree::Entry;

// Go's filepath.Base: "." for "/a/.", the last component else.
std::string BaseName(string_view path) {
  if (absl::EndsWith(path, "/.")) {
    return ".";
  }
  const std::string clean = CleanPath(path);
  return clean == "/" ? "" : clean.substr(clean.rfind('/') + 1);
}

class CopyAction {
 public:
  CopyAction(const ActionTarget& target, const tree::TreeRef& source,
             const pb::FileActionCopy& action, CopyOptions options, const CancelToken& cancel)
      : target_(target),
        source_(source),
        action_(action),
        options_(std::move(options)),
        cancel_(cancel) {}

  Status Run() {
    if (!action_.createdestpath()) {
      RETURN_IF_ERROR(CheckDestinationParent());
    }
    ASSIGN_OR_RETURN(const std::vector<tree::Found> sources, FindSources());
    for (const tree::Found& source : sources) {
      RETURN_IF_ERROR(cancel_.Check());
      if (action_.attemptunpackdockercompatibility()) {
        ASSIGN_OR_RETURN(const bool unpacked, Unpack(source));
        if (unpacked) {
          continue;
        }
      }
      RETURN_IF_ERROR(Copy(source));
    }
    return absl::OkStatus();
  }

 private:
  Status CheckDestinationParent() {
    const std::string clean = CleanPath(absl::StrCat("/", action_.dest()));
    ASSIGN_OR_RETURN(const std::string path, target_.editor.Resolve(clean, /*follow_last=*/true));
    ASSIGN_OR_RETURN(const auto parent, target_.editor.Get(ParentOf(path), /*follow=*/false));
    if (parent) {
      return absl::OkStatus();
    }
    return ErrnoStatus(
        ENOENT, absl::StrCat("failed to stat ", action_.dest(), ": lstat /", ParentOf(path)));
  }

  // The matched sources; `path` is as the user wrote or matched it, so that it gives the name.
  StatusOr<std::vector<tree::Found>> FindSources() {
    const std::string clean = CleanPath(absl::StrCat("/", action_.src()));
    if (action_.allowwildcard() && HasGoWildcard(clean)) {
      ASSIGN_OR_RETURN(
          std::vector<tree::Found> matches,
          tree::ExpandWildcards(target_.store, source_, clean, action_.followsymlink()));
      if (matches.empty() && !action_.allowemptywildcard()) {
        return absl::NotFoundError(absl::StrCat(clean, " not found"));
      }
      return matches;
    }
    StatusOr<tree::Found> looked_up =
        tree::Lookup(target_.store, source_, clean, action_.followsymlink());
    if (absl::IsNotFound(looked_up.status())) {
      return ErrnoStatus(ENOENT, absl::StrCat("lstat ", clean));
    }
    ASSIGN_OR_RETURN(tree::Found found, std::move(looked_up));
    found.path = absl::StrCat("/", action_.src());
    return std::vector<tree::Found>{std::move(found)};
  }

  // Makes `path` a directory. Of a mode that is to be changed to, only a number says what a new
  // directory's permissions are: like mkdir(2) it gives no setuid, setgid or sticky bit.
  Status MakeDirectories(const std::string& path, const std::optional<FileMode>& mode) {
    ASSIGN_OR_RETURN(const auto existing, target_.editor.Get(path, /*follow=*/true));
    if (existing && existing->type == Entry::Type::kDirectory) {
      return absl::OkStatus();
    }
    fs::Metadata metadata{.mode = 0755, .mtime_ns = options_.mtime_ns.value_or(target_.now_ns)};
    if (mode && mode->exact()) {
      metadata.mode = *mode->exact() & 0777;
    }
    if (options_.owner) {
      metadata.uid = options_.owner->uid;
      metadata.gid = options_.owner->gid;
    }
    const Status made = target_.editor.MakeDirectory(path, metadata, /*parents=*/true);
    return made.ok() ? made : Annotate(made, absl::StrCat("mkdir ", JoinPath("/", path)));
  }

  Status Copy(const tree::Found& source) {
    const std::string clean = CleanPath(absl::StrCat("/", action_.dest()));
    const bool names_directory =
        absl::EndsWith(action_.dest(), "/") || absl::EndsWith(action_.dest(), "/.");
    ASSIGN_OR_RETURN(const std::string wanted, target_.editor.Resolve(clean, /*follow_last=*/true));
    RETURN_IF_ERROR(MakeDirectories(names_directory ? wanted : ParentOf(wanted), options_.mode));
    ASSIGN_OR_RETURN(const auto existing, target_.editor.Get(wanted, /*follow=*/false));
    const bool is_directory = source.entry.type == Entry::Type::kDirectory;
    const bool into = is_directory ? !action_.dircopycontents() && existing.has_value()
                                   : existing && existing->type == Entry::Type::kDirectory;
    const std::string destination =
        into ? JoinPath(wanted, BaseName(source.path) == "." ? "" : BaseName(source.path)) : wanted;
    const bool contents_to_new = is_directory && action_.dircopycontents() && !existing;
    RETURN_IF_ERROR(
        MakeDirectories(contents_to_new ? destination : ParentOf(destination), options_.mode));
    TreeCopier copier(target_.store, target_.editor, options_);
    if (!is_directory) {
      Entry entry = source.entry;
      entry.link_group = 0;
      return copier.CopyFile(std::move(entry), destination);
    }
    return CopyDirectory(copier, source, destination);
  }

  Status CopyDirectory(TreeCopier& copier, const tree::Found& source,
                       const std::string& destination) {
    const tree::TreeRef& whole = *source.entry.directory;
    tree::TreeRef selected = whole;
    if (action_.include_patterns_size() > 0 || action_.exclude_patterns_size() > 0) {
      ASSIGN_OR_RETURN(
          selected,
          tree::Filter(target_.store, whole,
                       {action_.include_patterns().begin(), action_.include_patterns().end()},
                       {action_.exclude_patterns().begin(), action_.exclude_patterns().end()}));
    }
    ASSIGN_OR_RETURN(const auto existing, target_.editor.Get(destination, /*follow=*/false));
    RETURN_IF_ERROR(copier.CopyDirectory(selected, destination, /*overwrite_metadata=*/false));
    if (!existing || existing->type != Entry::Type::kDirectory) {
      return absl::OkStatus();
    }
    // A directory that was there keeps its metadata but for the time. A context's root has none.
    ASSIGN_OR_RETURN(fs::Metadata metadata, target_.editor.DirectoryMetadata(destination));
    ASSIGN_OR_RETURN(const auto directory, target_.store.Load(whole.digest));
    const bool timeless = directory->metadata.mtime_ns == 0 && CleanPath(source.path) == "/";
    metadata.mtime_ns =
        options_.mtime_ns.value_or(timeless ? target_.now_ns : directory->metadata.mtime_ns);
    return target_.editor.SetDirectoryMetadata(destination, metadata);
  }

  StatusOr<bool> IsArchive(const Digest& file) {
    ASSIGN_OR_RETURN(const auto reader, target_.store.blobs().Open(file));
    const auto stream = reader->Stream();
    const auto plain = fs::NewDetectingDecompressor(*stream);
    if (!plain.ok()) {
      return false;
    }
    fs::TarReader tar(**plain);
    const auto first = tar.Next();
    return first.ok() && first->has_value();
  }

  // Unpacks `source` into the destination when it is an archive.
  StatusOr<bool> Unpack(const tree::Found& source) {
    const auto file = tree::Lookup(target_.store, source_, source.path, /*follow=*/true);
    if (!file.ok() || !file->entry.file) {
      return false;
    }
    ASSIGN_OR_RETURN(const bool is_archive, IsArchive(*file->entry.file));
    if (!is_archive) {
      return false;
    }
    const std::string clean = CleanPath(absl::StrCat("/", action_.dest()));
    ASSIGN_OR_RETURN(const std::string destination,
                     target_.editor.Resolve(clean, /*follow_last=*/true));
    CopyOptions options{
        .owner = options_.owner, .replace_existing = true, .implied_mtime_ns = target_.now_ns};
    TreeCopier copier(target_.store, target_.editor, options);
    RETURN_IF_ERROR(MakeDirectories(destination, std::nullopt));
    ASSIGN_OR_RETURN(const auto reader, target_.store.blobs().Open(*file->entry.file));
    const auto stream = reader->Stream();
    ASSIGN_OR_RETURN_IN(const layer::ImportedTar imported,
                        layer::ImportTar(target_.store, *stream, /*whiteouts=*/false, cancel_),
                        source.path);
    RETURN_IF_ERROR(copier.CopyDirectory(imported.tree, destination, /*overwrite_metadata=*/false));
    return true;
  }

  const ActionTarget& target_;
  const tree::TreeRef source_;
  const pb::FileActionCopy& action_;
  const CopyOptions options_;
  const CancelToken& cancel_;
};

}  // namespace

Status CopyPaths(const ActionTarget& target, const std::optional<tree::TreeRef>& source,
                 const pb::FileActionCopy& action, const CancelToken& cancel) {
  CopyOptions options{.owner = target.owner,
                      .replace_existing = action.alwaysreplaceexistingdestpaths()};
  if (!action.modestr().empty()) {
    ASSIGN_OR_RETURN(options.mode, FileMode::Parse(action.modestr()));
  } else if (action.mode() != -1) {
    options.mode = FileMode::Exactly(static_cast<uint32_t>(action.mode()));
  }
  if (action.timestamp() != -1) {
    options.mtime_ns = action.timestamp();
  }
  tree::TreeRef from = source.value_or(tree::TreeRef{Digest::Of(""), Digest::Of("")});
  if (!source) {
    ASSIGN_OR_RETURN(from, target.store.Empty());
  }
  return CopyAction(target, from, action, std::move(options), cancel).Run();
}

}  // namespace cairn::ops

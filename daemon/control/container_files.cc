#include "daemon/control/container_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/control/file_range.h"
#include "daemon/control/result_codec.h"
#include "daemon/solver/solved_ref.h"
#include "runtime/base/pattern.h"
#include "runtime/fs/metadata.h"
#include "runtime/fs/root_dir.h"

namespace cairn::control {
namespace {

using MountView = ops::GatewayContainer::MountView;

StatusOr<MountView> ViewOf(GatewayBuild& build, const std::string& container, int64_t mount) {
  ASSIGN_OR_RETURN(const auto found, build.containers().Find(container));
  return found->View(mount);
}

std::string Beneath(const MountView& view, const std::string& path) {
  return absl::StrCat(view.directory, "/", path);
}

StatusOr<solver::FileStat> StatIn(const fs::RootDir& directory, const std::string& name) {
  struct stat status = {};
  if (::fstatat(directory.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, absl::StrCat("stat ", name));
  }
  solver::FileStat stat;
  stat.path = name;
  stat.kind = fs::KindOf(status.st_mode);
  ASSIGN_OR_RETURN(stat.metadata, fs::ReadMetadata(directory.fd(), name));
  stat.size = stat.kind == fs::Kind::kDirectory
                  ? 0
                  : static_cast<uint64_t>(std::max<off_t>(0, status.st_size));
  stat.device = status.st_rdev;
  if (stat.kind == fs::Kind::kSymlink) {
    ASSIGN_OR_RETURN(stat.link_target, directory.ReadLink(name));
  }
  return stat;
}

StatusOr<std::string> ReadRange(const UniqueFd& file, const std::string& path,
                                const std::optional<solver::FileRange>& range) {
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) {
    return ErrnoStatus(errno, absl::StrCat("read ", path));
  }
  if (!S_ISREG(status.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "read ", path, ": is ", S_ISDIR(status.st_mode) ? "a directory" : "no regular file"));
  }
  ASSIGN_OR_RETURN(const solver::FileRange part,
                   ClampRange(path, static_cast<uint64_t>(status.st_size), range));
  return ReadAt(file.get(), part.offset, part.length);
}

}  // namespace

Status CallReadFileContainer(GatewayBuild& build, const CancelToken& cancel,
                             const gateway::ReadFileRequest& request,
                             gateway::ReadFileResponse* response) {
  ASSIGN_OR_RETURN(const std::optional<solver::FileRange> range, DecodeRange(request));
  ASSIGN_OR_RETURN(MountView view, ViewOf(build, request.ref(), request.mountindex()));
  if (!view.live.has_value()) {
    const std::string path = Beneath(view, request.filepath());
    ASSIGN_OR_RETURN(*response->mutable_data(),
                     build.bridge().ReadFile(solver::MakeSolvedRef(*std::move(view.initial)), path,
                                             range, cancel));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const UniqueFd file,
                   view.live->OpenFile(request.filepath(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
  ASSIGN_OR_RETURN(*response->mutable_data(), ReadRange(file, request.filepath(), range));
  return absl::OkStatus();
}

Status CallReadDirContainer(GatewayBuild& build, const CancelToken& cancel,
                            const gateway::ReadDirRequest& request,
                            gateway::ReadDirResponse* response) {
  ASSIGN_OR_RETURN(MountView view, ViewOf(build, request.ref(), request.mountindex()));
  std::vector<solver::FileStat> entries;
  if (!view.live.has_value()) {
    const std::string path = Beneath(view, request.dirpath());
    ASSIGN_OR_RETURN(entries,
                     build.bridge().ReadDir(solver::MakeSolvedRef(*std::move(view.initial)), path,
                                            request.includepattern(), cancel));
  } else {
    std::vector<std::string> patterns;
    if (!request.includepattern().empty()) {
      patterns.push_back(request.includepattern());
    }
    ASSIGN_OR_RETURN(const PatternMatcher matcher, PatternMatcher::Create(patterns));
    ASSIGN_OR_RETURN(const fs::RootDir directory, view.live->OpenDirectory(request.dirpath()));
    ASSIGN_OR_RETURN(const UniqueFd listed, directory.OpenFile(".", O_RDONLY | O_DIRECTORY));
    ASSIGN_OR_RETURN(const std::vector<std::string> names, fs::ListDirectory(listed.get()));
    for (const std::string& name : names) {
      if (matcher.empty() || matcher.Matches(name)) {
        ASSIGN_OR_RETURN(solver::FileStat stat, StatIn(directory, name));
        entries.push_back(std::move(stat));
      }
    }
  }
  for (const solver::FileStat& entry : entries) {
    EncodeStat(entry, response->add_entries());
  }
  return absl::OkStatus();
}

Status CallStatFileContainer(GatewayBuild& build, const CancelToken& cancel,
                             const gateway::StatFileRequest& request,
                             gateway::StatFileResponse* response) {
  ASSIGN_OR_RETURN(MountView view, ViewOf(build, request.ref(), request.mountindex()));
  if (!view.live.has_value()) {
    const std::string path = Beneath(view, request.path());
    ASSIGN_OR_RETURN(
        const solver::FileStat stat,
        build.bridge().StatFile(solver::MakeSolvedRef(*std::move(view.initial)), path, cancel));
    EncodeStat(stat, response->mutable_stat());
    return absl::OkStatus();
  }
  auto parent = view.live->OpenParent(request.path());
  if (!parent.ok()) {
    if (!absl::IsInvalidArgument(parent.status())) {
      return parent.status();
    }
    ASSIGN_OR_RETURN(const solver::FileStat stat, StatIn(*view.live, "."));  // the mount itself
    EncodeStat(stat, response->mutable_stat());
    return absl::OkStatus();
  }
  const fs::RootDir directory(std::move(parent->directory));
  ASSIGN_OR_RETURN(const solver::FileStat stat, StatIn(directory, parent->name));
  EncodeStat(stat, response->mutable_stat());
  return absl::OkStatus();
}

}  // namespace cairn::control

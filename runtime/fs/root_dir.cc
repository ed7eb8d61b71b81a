#include "runtime/fs/root_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include "absl/strings/str_cat.h"

namespace cairn::fs {
namespace {

// A walk over ".." that races with a rename anywhere is refused with EAGAIN; more tries than this
// in a row do not happen by accident.
constexpr int kTries = 128;

StatusOr<UniqueFd> OpenBeneath(int root, string_view path, int flags, mode_t mode) {
  if (path.find('\0') != string_view::npos) {
    return absl::InvalidArgumentError("open: a NUL byte in a path");
  }
  const std::string text(path.empty() ? string_view(".") : path);
  struct open_how how = {};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? mode & 07777 : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, text.c_str(), &how, sizeof how);
    if (fd >= 0) {
      return UniqueFd(static_cast<int>(fd));
    }
    if (errno != EINTR && (errno != EAGAIN || attempt >= kTries)) {
      return ErrnoStatus(errno, absl::StrCat("open ", text));
    }
  }
}

// Splits off the last component: "a/b/" is "a" and "b".
Status SplitPath(string_view path, string_view& parent, string_view& name) {
  while (!path.empty() && path.back() == '/') {
    path.remove_suffix(1);
  }
  const size_t slash = path.rfind('/');
  parent = slash == string_view::npos ? string_view() : path.substr(0, slash + 1);
  name = slash == string_view::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") {
    return absl::InvalidArgumentError(absl::StrCat("path \"", path, "\" names no entry"));
  }
  if (path.find('\0') != string_view::npos) {
    return absl::InvalidArgumentError("a NUL byte in a path");
  }
  return absl::OkStatus();
}

Status Result(int result, string_view action, string_view path) {
  return result == 0 ? absl::OkStatus() : ErrnoStatus(errno, absl::StrCat(action, " ", path));
}

}  // namespace

StatusOr<RootDir> RootDir::Open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("open ", path));
  }
  return RootDir(std::move(fd));
}

StatusOr<UniqueFd> RootDir::OpenFile(string_view path, int flags, mode_t mode) const {
  return OpenBeneath(fd_.get(), path, flags, mode);
}

StatusOr<RootDir> RootDir::OpenDirectory(string_view path) const {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenBeneath(fd_.get(), path, O_RDONLY | O_DIRECTORY, 0));
  return RootDir(std::move(fd));
}

StatusOr<RootDir::Parent> RootDir::OpenParent(string_view path) const {
  string_view parent, name;
  RETURN_IF_ERROR(SplitPath(path, parent, name));
  ASSIGN_OR_RETURN(UniqueFd fd, OpenBeneath(fd_.get(), parent, O_PATH | O_DIRECTORY, 0));
  return Parent{std::move(fd), std::string(name)};
}

Status RootDir::MakeDirectory(string_view path, mode_t mode) const {
  ASSIGN_OR_RETURN(const Parent at, OpenParent(path));
  return Result(::mkdirat(at.directory.get(), at.name.c_str(), mode), "make directory", path);
}

Status RootDir::MakeDirectories(string_view path, mode_t mode) const {
  // Longest existing prefix first would need a walk back; most paths have few missing parents, so
  // each prefix is simply tried.
  size_t end = 0;
  while (end < path.size()) {
    const size_t begin = path.find_first_not_of('/', end);
    if (begin == string_view::npos) {
      break;
    }
    end = std::min(path.find('/', begin), path.size());
    const string_view prefix = path.substr(0, end);
    const string_view name = path.substr(begin, end - begin);
    if (name == "." || name == "..") {
      continue;
    }
    const Status made = MakeDirectory(prefix, mode);
    if (made.ok()) {
      continue;
    }
    if (!absl::IsAlreadyExists(made)) {
      return made;
    }
    const StatusOr<UniqueFd> opened = OpenBeneath(fd_.get(), prefix, O_PATH | O_DIRECTORY, 0);
    if (!opened.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("make directory ", prefix, ": something else is in the way"));
    }
  }
  return absl::OkStatus();
}

StatusOr<std::string> RootDir::ReadLink(string_view path) const {
  ASSIGN_OR_RETURN(const Parent at, OpenParent(path));
  char target[PATH_MAX];
  const ssize_t size = ::readlinkat(at.directory.get(), at.name.c_str(), target, sizeof target);
  if (size < 0) {
    return ErrnoStatus(errno, absl::StrCat("read link ", path));
  }
  return std::string(target, static_cast<size_t>(size));
}

StatusOr<struct stat> RootDir::Stat(string_view path, bool follow) const {
  ASSIGN_OR_RETURN(const UniqueFd fd,
                   OpenBeneath(fd_.get(), path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0));
  struct stat status = {};
  RETURN_IF_ERROR(Result(::fstat(fd.get(), &status), "stat", path));
  return status;
}

StatusOr<std::string> RootDir::ReadFile(string_view path, uint64_t limit) const {
  ASSIGN_OR_RETURN(const UniqueFd fd,
                   OpenBeneath(fd_.get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0));
  struct stat status = {};
  RETURN_IF_ERROR(Result(::fstat(fd.get(), &status), "stat", path));
  if (!S_ISREG(status.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat("read ", path, ": not a regular file"));
  }
  ASSIGN_OR_RETURN_IN(std::string data, ReadAll(fd.get(), limit), path);
  return data;
}

Status RootDir::WriteFile(string_view path, string_view data, mode_t mode) const {
  ASSIGN_OR_RETURN(const Parent at, OpenParent(path));
  if (::unlinkat(at.directory.get(), at.name.c_str(), 0) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("replace ", path));
  }
  UniqueFd fd(::openat(at.directory.get(), at.name.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("create ", path));
  }
  RETURN_IF_ERROR_IN(WriteAll(fd.get(), data), path);
  return absl::OkStatus();
}

Status RootDir::Remove(string_view path) const {
  ASSIGN_OR_RETURN(const Parent at, OpenParent(path));
  if (::unlinkat(at.directory.get(), at.name.c_str(), 0) == 0) {
    return absl::OkStatus();
  }
  if (errno == EISDIR) {
    return Result(::unlinkat(at.directory.get(), at.name.c_str(), AT_REMOVEDIR), "remove", path);
  }
  return ErrnoStatus(errno, absl::StrCat("remove ", path));
}

Status RootDir::RemoveAll(string_view path) const {
  StatusOr<Parent> at = OpenParent(path);
  if (absl::IsNotFound(at.status())) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(at.status());
  return RemoveTree(at->directory.get(), at->name);
}

Status RootDir::Rename(string_view from, string_view to, unsigned flags) const {
  ASSIGN_OR_RETURN(const Parent source, OpenParent(from));
  ASSIGN_OR_RETURN(const Parent target, OpenParent(to));
  return Result(::renameat2(source.directory.get(), source.name.c_str(), target.directory.get(),
                            target.name.c_str(), flags),
                absl::StrCat("rename ", from, " to"), to);
}

Status RootDir::HardLink(string_view existing, string_view path) const {
  ASSIGN_OR_RETURN(const Parent source, OpenParent(existing));
  ASSIGN_OR_RETURN(const Parent target, OpenParent(path));
  return Result(::linkat(source.directory.get(), source.name.c_str(), target.directory.get(),
                         target.name.c_str(), 0),
                absl::StrCat("link ", existing, " to"), path);
}

Status RootDir::Symlink(const std::string& target, string_view path) const {
  if (target.empty() || target.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("link ", path, ": bad target"));
  }
  ASSIGN_OR_RETURN(const Parent at, OpenParent(path));
  return Result(::symlinkat(target.c_str(), at.directory.get(), at.name.c_str()), "link", path);
}

Status RootDir::MakeNode(string_view path, mode_t mode, dev_t device) const {
  ASSIGN_OR_RETURN(const Parent at, OpenParent(path));
  return Result(::mknodat(at.directory.get(), at.name.c_str(), mode, device), "make node", path);
}

}  // namespace cairn::fs

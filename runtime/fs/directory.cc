// ListDirectory and RemoveTree: what is done with one opened directory at a time.

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "runtime/fs/root_dir.h"

namespace cairn::fs {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// Opens a directory for listing and changing, without following; a directory without permissions
// (possible when not root) gets them.
StatusOr<UniqueFd> OpenToEmpty(int parent, const std::string& name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(::openat(parent, name.c_str(), kFlags));
  if (!fd.valid() && errno == EACCES) {
    UniqueFd path(::openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (path.valid() && ::chmod(absl::StrCat("/proc/self/fd/", path.get()).c_str(), 0700) == 0) {
      fd = UniqueFd(::openat(parent, name.c_str(), kFlags));
    }
  }
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("open directory ", name));
  }
  struct stat status = {};
  if (::fstat(fd.get(), &status) == 0 && (status.st_mode & 0700) != 0700) {
    ::fchmod(fd.get(), 0700);  // if that is refused, so will be the removals, which report it
  }
  return fd;
}

// Removes a file or an empty directory. Returns false for a directory that is not empty.
StatusOr<bool> RemoveEntry(int parent, const std::string& name) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) {
    return true;
  }
  if (errno != EISDIR && errno != EPERM) {
    return ErrnoStatus(errno, absl::StrCat("remove ", name));
  }
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
    return true;
  }
  if (errno == ENOTEMPTY || errno == EEXIST) {
    return false;
  }
  return ErrnoStatus(errno, absl::StrCat("remove directory ", name));
}

// Moves the directory `name` of `from` into `top` under a name that is free there.
Status MoveUp(int from, const std::string& name, int top, uint64_t& counter) {
  bool opened = false;
  for (;;) {
    const std::string target = absl::StrCat(".removed-", counter++);
    if (::renameat2(from, name.c_str(), top, target.c_str(), RENAME_NOREPLACE) == 0 ||
        errno == ENOENT) {
      return absl::OkStatus();
    }
    if (errno == EACCES && !opened) {
      // Without privileges a directory moves only when it is writable itself.
      RETURN_IF_ERROR(OpenToEmpty(from, name).status());
      opened = true;
    } else if (errno != EEXIST) {
      return ErrnoStatus(errno, absl::StrCat("move ", name));
    }
  }
}

}  // namespace

StatusOr<std::vector<std::string>> ListDirectory(int directory_fd) {
  // A descriptor of its own: fdopendir takes it over and moves its offset.
  UniqueFd own(::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own.valid()) {
    return ErrnoStatus(errno, "open directory");
  }
  std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(own.get()));
  if (directory == nullptr) {
    return ErrnoStatus(errno, "list directory");
  }
  own.Release();
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const struct dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) {
      if (errno != 0) {
        return ErrnoStatus(errno, "list directory");
      }
      break;
    }
    const string_view name(entry->d_name);
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status RemoveTree(int directory_fd, const std::string& name) {
  ASSIGN_OR_RETURN(const bool removed, RemoveEntry(directory_fd, name));
  if (removed) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const UniqueFd top, OpenToEmpty(directory_fd, name));
  uint64_t counter = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(top.get()));
    if (names.empty()) {
      break;
    }
    for (const std::string& child : names) {
      ASSIGN_OR_RETURN(const bool gone, RemoveEntry(top.get(), child));
      if (gone) {
        continue;
      }
      ASSIGN_OR_RETURN(const UniqueFd directory, OpenToEmpty(top.get(), child));
      ASSIGN_OR_RETURN(const std::vector<std::string> below, ListDirectory(directory.get()));
      for (const std::string& entry : below) {
        ASSIGN_OR_RETURN(const bool entry_gone, RemoveEntry(directory.get(), entry));
        if (!entry_gone) {
          RETURN_IF_ERROR(MoveUp(directory.get(), entry, top.get(), counter));
        }
      }
    }
  }
  if (::unlinkat(directory_fd, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("remove directory ", name));
  }
  return absl::OkStatus();
}

}  // namespace cairn::fs

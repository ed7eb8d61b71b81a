#include "runtime/sandbox/helper/root_path.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>

namespace cairn::sandbox {
namespace {

// A rename anywhere on the system during a RESOLVE_IN_ROOT walk over ".." gives EAGAIN.
constexpr int kMaxRetries = 256;
constexpr int kMaxLinks = 40;

ScopedFd Open2(int directory, const std::string& path, int flags, uint64_t resolve) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = resolve;
  int fd = -1;
  int tries = 0;
  do {
    fd = static_cast<int>(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how));
  } while (fd < 0 && (errno == EAGAIN || errno == EINTR) && ++tries < kMaxRetries);
  return ScopedFd(fd);
}

// Pushes the components of `path` so that the first one is popped first.
void PushComponents(const std::string& path, std::vector<std::string>& pending) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= path.size()) {
    size_t end = path.find('/', begin);
    if (end == std::string::npos) {
      end = path.size();
    }
    if (end > begin) {
      parts.push_back(path.substr(begin, end - begin));
    }
    begin = end + 1;
  }
  pending.insert(pending.end(), parts.rbegin(), parts.rend());
}

uint64_t MountId(int fd) {
  struct statx info = {};
  if (::statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &info) != 0) {
    return 0;
  }
  return info.stx_mnt_id;
}

// The walk of MakePath: a stack of open directories from the root to where it is.
class Walk {
 public:
  Walk(int root, const MakePathOptions& options) : root_(root), options_(options) {}

  ScopedFd Run(const std::string& path) {
    PushComponents(path, pending_);
    int links = 0;
    while (!pending_.empty()) {
      const std::string name = pending_.back();
      pending_.pop_back();
      if (name == ".") {
        continue;
      }
      if (name == "..") {
        Up();
        continue;
      }
      ScopedFd next = OpenOrMake(name);
      struct stat info;
      if (!next.valid() || ::fstat(next.get(), &info) != 0) {
        return ScopedFd();
      }
      if (S_ISLNK(info.st_mode)) {
        if (++links > kMaxLinks) {
          errno = ELOOP;
          return ScopedFd();
        }
        if (!FollowLink(next.get())) {
          return ScopedFd();
        }
        continue;
      }
      if (pending_.empty()) {
        return next;
      }
      if (!S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        return ScopedFd();
      }
      stack_.push_back(std::move(next));
      names_.push_back(name);
    }
    // The last component was "." or "..", or there was none.
    if (stack_.empty()) {
      errno = EEXIST;
      return ScopedFd();
    }
    return std::move(stack_.back());
  }

 private:
  int current() const { return stack_.empty() ? root_ : stack_.back().get(); }

  void Up() {
    if (!stack_.empty()) {
      stack_.pop_back();
      names_.pop_back();
    }
  }

  bool FollowLink(int link) {
    char target[PATH_MAX];
    const ssize_t size = ::readlinkat(link, "", target, sizeof target);
    if (size <= 0 || size == sizeof target) {
      errno = size < 0 ? errno : ENAMETOOLONG;
      return false;
    }
    if (target[0] == '/') {
      stack_.clear();
      names_.clear();
    }
    PushComponents(std::string(target, static_cast<size_t>(size)), pending_);
    return true;
  }

  ScopedFd OpenOrMake(const std::string& name) {
    const int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    for (int tries = 0; tries < kMaxRetries; ++tries) {
      ScopedFd found(::openat(current(), name.c_str(), flags));
      if (found.valid() || errno != ENOENT) {
        return found;
      }
      if (!Make(name) && errno != EEXIST) {
        return ScopedFd();
      }
    }
    errno = EAGAIN;
    return ScopedFd();
  }

  bool Make(const std::string& name) {
    const bool leaf = pending_.empty();
    const bool directory = !leaf || options_.leaf == LeafKind::kDirectory;
    struct stat before = {};
    ::fstat(current(), &before);
    if (directory) {
      if (::mkdirat(current(), name.c_str(), 0755) != 0) {
        return false;
      }
      if ((options_.uid != 0 || options_.gid != 0) &&
          ::fchownat(current(), name.c_str(), options_.uid, options_.gid, AT_SYMLINK_NOFOLLOW) !=
              0) {
        return false;
      }
    } else {
      const ScopedFd file(::openat(current(), name.c_str(),
                                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
      if (!file.valid()) {
        return false;
      }
    }
    Record(name, directory, leaf, before);
    return true;
  }

  void Record(const std::string& name, bool directory, bool leaf, const struct stat& before) {
    if (options_.stubs == nullptr || MountId(current()) != MountId(root_)) {
      return;
    }
    struct stat after = {};
    ::fstat(current(), &after);
    Stub stub;
    for (const std::string& parent : names_) {
      stub.path += parent + "/";
    }
    stub.path += name;
    stub.directory = directory;
    stub.mount_point = leaf;
    stub.before_sec = before.st_mtim.tv_sec;
    stub.before_nsec = before.st_mtim.tv_nsec;
    stub.after_sec = after.st_mtim.tv_sec;
    stub.after_nsec = after.st_mtim.tv_nsec;
    options_.stubs->push_back(std::move(stub));
  }

  const int root_;
  const MakePathOptions& options_;
  std::vector<std::string> pending_;
  std::vector<ScopedFd> stack_;
  std::vector<std::string> names_;
};

}  // namespace

ScopedFd OpenInRoot(int root, const std::string& path, int flags) {
  return Open2(root, path.empty() ? "." : path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

ScopedFd OpenBeneath(int directory, const std::string& path, int flags) {
  return Open2(directory, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

ScopedFd OpenHostPath(const std::string& path) {
  return Open2(AT_FDCWD, path, O_PATH, RESOLVE_NO_MAGICLINKS);
}

ScopedFd MakePath(int root, const std::string& path, const MakePathOptions& options) {
  return Walk(root, options).Run(path);
}

std::string CleanPath(const std::string& path) {
  std::vector<std::string> pending;
  PushComponents(path, pending);
  std::vector<std::string> kept;
  for (auto part = pending.rbegin(); part != pending.rend(); ++part) {
    if (*part == "..") {
      if (!kept.empty()) {
        kept.pop_back();
      }
    } else if (*part != ".") {
      kept.push_back(*part);
    }
  }
  std::string clean;
  for (const std::string& part : kept) {
    clean += "/" + part;
  }
  return clean.empty() ? "/" : clean;
}

}  // namespace cairn::sandbox

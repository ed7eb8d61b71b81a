#include "runtime/fs/metadata.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/fd.h"

namespace cairn::fs {
namespace {

// Names an entry of an opened directory for the calls that take only paths. The magic link leads
// to the directory itself; the last component is not followed by the l* calls.
std::string PathOf(int directory_fd, const std::string& name) {
  return name.empty() ? absl::StrCat("/proc/self/fd/", directory_fd)
                      : absl::StrCat("/proc/self/fd/", directory_fd, "/", name);
}

bool WithoutXattrs(int error) {
  return error == ENOTSUP || error == ENODATA || error == EPERM || error == EACCES;
}

Status ApplyXattrs(int directory_fd, const std::string& name, const Metadata& metadata) {
  if (metadata.xattrs.empty()) {
    return absl::OkStatus();
  }
  const std::string path = PathOf(directory_fd, name);
  for (const auto& [key, value] : metadata.xattrs) {
    if (!IsPortableXattr(key)) {
      continue;
    }
    const int result = name.empty()
                           ? ::setxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0)
                           : ::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0);
    if (result != 0 && !WithoutXattrs(errno)) {
      return ErrnoStatus(errno, absl::StrCat("set attribute ", key, " of ", name));
    }
  }
  return absl::OkStatus();
}

// The value of one attribute; an attribute that is gone or unreadable is an empty optional.
StatusOr<bool> GetXattr(const std::string& path, bool follow, const char* key, std::string& value) {
  value.resize(256);
  for (;;) {
    const ssize_t size = follow ? ::getxattr(path.c_str(), key, value.data(), value.size())
                                : ::lgetxattr(path.c_str(), key, value.data(), value.size());
    if (size >= 0) {
      value.resize(static_cast<size_t>(size));
      return true;
    }
    if (errno == ERANGE && value.size() < 65536) {
      value.resize(65536);
      continue;
    }
    if (WithoutXattrs(errno)) {
      return false;
    }
    return ErrnoStatus(errno, absl::StrCat("read attribute ", key));
  }
}

}  // namespace

Kind KindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return Kind::kDirectory;
    case S_IFLNK:
      return Kind::kSymlink;
    case S_IFIFO:
      return Kind::kFifo;
    case S_IFCHR:
      return Kind::kCharDevice;
    case S_IFBLK:
      return Kind::kBlockDevice;
    case S_IFSOCK:
      return Kind::kSocket;
    default:
      return Kind::kFile;
  }
}

mode_t TypeBits(Kind kind) {
  switch (kind) {
    case Kind::kFile:
      return S_IFREG;
    case Kind::kDirectory:
      return S_IFDIR;
    case Kind::kSymlink:
      return S_IFLNK;
    case Kind::kFifo:
      return S_IFIFO;
    case Kind::kCharDevice:
      return S_IFCHR;
    case Kind::kBlockDevice:
      return S_IFBLK;
    case Kind::kSocket:
      return S_IFSOCK;
  }
  return S_IFREG;
}

bool IsPortableXattr(string_view name) {
  return name == "security.capability" ||
         (absl::StartsWith(name, "user.") && !absl::StartsWith(name, "user.overlay."));
}

int64_t ToNanoseconds(int64_t seconds, int64_t nanoseconds) {
  int64_t result = 0;
  if (__builtin_mul_overflow(seconds, int64_t{1'000'000'000}, &result) ||
      __builtin_add_overflow(result, nanoseconds, &result)) {
    return seconds < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  }
  return result;
}

Metadata MetadataFrom(const struct stat& status) {
  Metadata metadata;
  metadata.mode = status.st_mode & 07777;
  metadata.uid = status.st_uid;
  metadata.gid = status.st_gid;
  metadata.mtime_ns = ToNanoseconds(status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  return metadata;
}

StatusOr<std::map<std::string, std::string>> ReadXattrs(int directory_fd, const std::string& name) {
  std::map<std::string, std::string> xattrs;
  const std::string path = PathOf(directory_fd, name);
  const bool follow = name.empty();
  std::string names(1024, '\0');
  ssize_t size = 0;
  for (;;) {
    size = follow ? ::listxattr(path.c_str(), names.data(), names.size())
                  : ::llistxattr(path.c_str(), names.data(), names.size());
    if (size >= 0) {
      break;
    }
    if (errno == ERANGE && names.size() < 65536) {
      names.resize(65536);
      continue;
    }
    if (WithoutXattrs(errno)) {
      return xattrs;
    }
    return ErrnoStatus(errno, absl::StrCat("list attributes of ", name));
  }
  std::string value;
  for (const char* key = names.data(); key < names.data() + size; key += strlen(key) + 1) {
    if (!IsPortableXattr(key)) {
      continue;
    }
    ASSIGN_OR_RETURN_IN(const bool found, GetXattr(path, follow, key, value), name);
    if (found) {
      xattrs[key] = value;
    }
  }
  return xattrs;
}

StatusOr<Metadata> ReadMetadata(int directory_fd, const std::string& name) {
  struct stat status = {};
  if (::fstatat(directory_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0) {
    return ErrnoStatus(errno, absl::StrCat("stat ", name));
  }
  Metadata metadata = MetadataFrom(status);
  ASSIGN_OR_RETURN(metadata.xattrs, ReadXattrs(directory_fd, name));
  return metadata;
}

Status ApplyMetadata(int directory_fd, const std::string& name, Kind kind, const Metadata& metadata,
                     const ApplyOptions& options) {
  if (options.owner && ::fchownat(directory_fd, name.c_str(), metadata.uid, metadata.gid,
                                  AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0) {
    return ErrnoStatus(errno, absl::StrCat("change owner of ", name));
  }
  if (options.mode && kind != Kind::kSymlink) {
    // fchmodat follows links and older kernels have no flag against it: go through a descriptor
    // that was opened without following.
    UniqueFd opened;
    int fd = directory_fd;
    if (!name.empty()) {
      opened = UniqueFd(::openat(directory_fd, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (!opened.valid()) {
        return ErrnoStatus(errno, absl::StrCat("open ", name));
      }
      fd = opened.get();
      struct stat status = {};
      if (::fstat(fd, &status) != 0 || S_ISLNK(status.st_mode)) {
        return absl::FailedPreconditionError(absl::StrCat("change mode of ", name, ": a link"));
      }
    }
    const std::string path = absl::StrCat("/proc/self/fd/", fd);
    if (::chmod(path.c_str(), metadata.mode & 07777) != 0) {
      return ErrnoStatus(errno, absl::StrCat("change mode of ", name));
    }
  }
  if (options.xattrs) {
    RETURN_IF_ERROR(ApplyXattrs(directory_fd, name, metadata));
  }
  if (options.times) {
    int64_t seconds = metadata.mtime_ns / 1'000'000'000;
    int64_t nanoseconds = metadata.mtime_ns % 1'000'000'000;
    if (nanoseconds < 0) {
      nanoseconds += 1'000'000'000;
      --seconds;
    }
    const struct timespec time = {seconds, nanoseconds};
    const struct timespec times[2] = {time, time};
    const std::string path = name.empty() ? PathOf(directory_fd, name) : name;
    if (::utimensat(directory_fd, path.c_str(), times, name.empty() ? 0 : AT_SYMLINK_NOFOLLOW) !=
        0) {
      return ErrnoStatus(errno, absl::StrCat("change time of ", name));
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::fs

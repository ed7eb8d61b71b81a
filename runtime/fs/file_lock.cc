#include "runtime/fs/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace cairn::fs {

StatusOr<FileLock> FileLock::Acquire(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("open ", path));
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return ErrnoStatus(errno, absl::StrCat("lock ", path));
    }
    const StatusOr<std::string> holder = ReadAt(fd.get(), 0, 32);
    const std::string pid = holder.ok() ? std::string(absl::StripAsciiWhitespace(*holder)) : "";
    return absl::FailedPreconditionError(
        absl::StrCat("lock ", path, ": held by another process",
                     pid.empty() ? std::string() : absl::StrCat(" (pid ", pid, ")")));
  }
  // The process id only serves the message above; a failure to write it is no failure to lock.
  if (::ftruncate(fd.get(), 0) == 0) {
    const std::string pid = absl::StrCat(::getpid(), "\n");
    static_cast<void>(::pwrite(fd.get(), pid.data(), pid.size(), 0) == 0);
  }
  return FileLock(std::move(fd));
}

}  // namespace cairn::fs

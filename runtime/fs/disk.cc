#include "runtime/fs/disk.h"

#include <sys/statvfs.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace cairn::fs {

StatusOr<DiskSpace> ReadDiskSpace(const std::string& path) {
  struct statvfs status = {};
  if (::statvfs(path.c_str(), &status) != 0) {
    return ErrnoStatus(errno, absl::StrCat("read disk space of ", path));
  }
  const uint64_t block = status.f_frsize;
  return DiskSpace{status.f_blocks * block, status.f_bfree * block, status.f_bavail * block,
                   status.f_favail};
}

}  // namespace cairn::fs

#include "runtime/sandbox/stub_cleaner.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "runtime/base/fd.h"

namespace cairn::sandbox {
namespace {

UniqueFd OpenDirectory(int root, const std::string& path) {
  open_how how = {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(
      ::syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how)));
}

bool RemoveIfEmpty(int parent, const std::string& name, bool directory) {
  struct stat info = {};
  if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return false;
  }
  if (directory) {
    // Fails on one that is not empty.
    return S_ISDIR(info.st_mode) && ::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0;
  }
  return S_ISREG(info.st_mode) && info.st_size == 0 && info.st_nlink == 1 &&
         ::unlinkat(parent, name.c_str(), 0) == 0;
}

}  // namespace

void RemoveStubs(int root, const std::vector<Stub>& stubs, bool keep_parents) {
  for (auto stub = stubs.rbegin(); stub != stubs.rend(); ++stub) {
    if (keep_parents && !stub->mount_point) {
      continue;
    }
    const size_t slash = stub->path.rfind('/');
    const bool at_top = slash == std::string::npos;
    const UniqueFd parent = OpenDirectory(root, at_top ? "" : stub->path.substr(0, slash));
    struct stat before = {};
    if (!parent.valid() || ::fstat(parent.get(), &before) != 0) {
      continue;
    }
    const std::string name = at_top ? stub->path : stub->path.substr(slash + 1);
    if (!RemoveIfEmpty(parent.get(), name, stub->directory)) {
      continue;
    }
    const bool untouched =
        before.st_mtim.tv_sec == stub->after_sec && before.st_mtim.tv_nsec == stub->after_nsec;
    const timespec restored = untouched
                                  ? timespec{stub->before_sec, static_cast<long>(stub->before_nsec)}
                                  : before.st_mtim;
    const timespec times[2] = {{0, UTIME_OMIT}, restored};
    ::futimens(parent.get(), times);
  }
}

}  // namespace cairn::sandbox

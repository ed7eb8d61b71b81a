#include "runtime/sandbox/sealed_program.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

namespace cairn::sandbox {
namespace {

// Above the numbers that a helper inherits, so that starting one never overwrites it.
constexpr int kLowestDescriptor = 200;

StatusOr<UniqueFd> CopyToSealedMemory(int source, uint64_t size) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  UniqueFd memory(::memfd_create("cairn-sandbox", flags | MFD_EXEC));
  if (!memory.valid() && errno == EINVAL) {
    // Kernels before 6.3 know no MFD_EXEC and allow it always.
    memory.Reset(::memfd_create("cairn-sandbox", flags));
  }
  if (!memory.valid()) {
    return ErrnoStatus(errno, "make memory file");
  }
  uint64_t done = 0;
  while (done < size) {
    const ssize_t sent = ::sendfile(memory.get(), source, nullptr, size - done);
    if (sent <= 0) {
      return ErrnoStatus(sent < 0 ? errno : EIO, "copy program");
    }
    done += static_cast<uint64_t>(sent);
  }
  if (::fchmod(memory.get(), 0555) != 0) {
    return ErrnoStatus(errno, "chmod memory file");
  }
  ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_EXEC);
  if (::fcntl(memory.get(), F_ADD_SEALS,
              F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    return ErrnoStatus(errno, "seal memory file");
  }
  UniqueFd high(::fcntl(memory.get(), F_DUPFD_CLOEXEC, kLowestDescriptor));
  return high.valid() ? StatusOr<UniqueFd>(std::move(high)) : ErrnoStatus(errno, "dup");
}

StatusOr<UniqueFd> MountReadOnly(int source) {
  UniqueFd mount(::open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (!mount.valid() ||
      ::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) {
    return ErrnoStatus(errno, "mount program read-only");
  }
  UniqueFd high(::fcntl(mount.get(), F_DUPFD_CLOEXEC, kLowestDescriptor));
  return high.valid() ? StatusOr<UniqueFd>(std::move(high)) : ErrnoStatus(errno, "dup");
}

}  // namespace

StatusOr<UniqueFd> OpenSealedProgram(const std::string& path) {
  const std::string context = absl::StrCat("sandbox helper ", path);
  UniqueFd source(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info = {};
  if (!source.valid() || ::fstat(source.get(), &info) != 0) {
    return ErrnoStatus(errno, context);
  }
  StatusOr<UniqueFd> memory = CopyToSealedMemory(source.get(), static_cast<uint64_t>(info.st_size));
  if (memory.ok()) {
    return memory;
  }
  ASSIGN_OR_RETURN_IN(UniqueFd mount, MountReadOnly(source.get()), context);
  return mount;
}

}  // namespace cairn::sandbox

// An exclusive lock on a file, held until destruction or the end of the process. Move-only.
#pragma once

#include <string>

#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::fs {

class FileLock {
 public:
  // Makes `path` if missing and locks it (flock) without waiting. kFailedPrecondition, with the
  // holder's process id when it is known, when another process has it.
  static StatusOr<FileLock> Acquire(const std::string& path);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace cairn::fs

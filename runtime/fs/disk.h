// How full a file system is.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/status.h"

namespace cairn::fs {

struct DiskSpace {
  uint64_t total = 0;      // bytes
  uint64_t free = 0;       // bytes not in use
  uint64_t available = 0;  // bytes that this process may still use
  uint64_t free_inodes = 0;
};

// Of the file system that holds `path`.
StatusOr<DiskSpace> ReadDiskSpace(const std::string& path);

}  // namespace cairn::fs

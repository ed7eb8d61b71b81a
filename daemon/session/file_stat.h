// One file as a transfer describes it, with the kernel's modes instead of Go's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "runtime/base/status.h"

namespace fsutil::types {
class Stat;
}  // namespace fsutil::types

namespace cairn::session {

struct FileStat {
  std::string path;  // relative, "/" between parts
  mode_t mode = 0;   // st_mode: type and permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t size = 0;
  int64_t mtime_ns = 0;
  std::string link_name;  // of a symlink its target, of a hard link the first path
  bool hard_link = false;
  uint32_t dev_major = 0;
  uint32_t dev_minor = 0;
  std::map<std::string, std::string> xattrs;

  friend bool operator==(const FileStat&, const FileStat&) = default;
};

// Go's os.FileMode (bits of package io/fs) <-> st_mode. A Go mode of an irregular file has no
// st_mode type: its S_IFMT bits come out as 0.
mode_t ToStMode(uint32_t go_mode);
uint32_t ToGoMode(mode_t mode);

FileStat FromWire(const fsutil::types::Stat& stat);
void ToWire(const FileStat& stat, fsutil::types::Stat* out);

}  // namespace cairn::session

// One entry of a tar archive, as read or to be written.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/fs/metadata.h"

namespace cairn::fs {

struct TarEntry {
  // As in the archive when read: may be absolute, hold "..", be empty. A directory's trailing slash
  // is taken off when read and put on when written.
  std::string path;
  Kind kind = Kind::kFile;
  // A hard link to the earlier entry `link_target`; kind is kFile and there is no data.
  bool hard_link = false;
  // Of symlinks and hard links, as in the archive.
  std::string link_target;
  Metadata metadata;
  uint64_t size = 0;    // of a file's data, holes included
  uint64_t device = 0;  // makedev() number of devices
};

}  // namespace cairn::fs

#include "client/entry_stat.h"

#include <sys/sysmacros.h>

#include "client/file_mode.h"
#include "proto/fs_stat.pb.h"

namespace cairn::client {

void EntryStats::Fill(const fs::WalkEntry& entry, fsutil::types::Stat* stat) {
  stat->set_path(entry.path);
  stat->set_mode(ToGoMode(entry.kind, entry.status.st_mode & 07777));
  stat->set_modtime(entry.status.st_mtim.tv_sec * 1000000000 + entry.status.st_mtim.tv_nsec);
  for (const auto& [name, value] : entry.xattrs) {
    (*stat->mutable_xattrs())[name] = value;
  }
  if (entry.kind == fs::Kind::kFile) {
    stat->set_size(entry.status.st_size);
    if (entry.status.st_nlink > 1) {
      const auto inode = std::pair(entry.status.st_dev, entry.status.st_ino);
      const auto [first, inserted] = inodes_.emplace(inode, entry.path);
      if (!inserted) {
        stat->set_linkname(first->second);
      }
    }
  } else if (entry.kind == fs::Kind::kSymlink) {
    stat->set_linkname(entry.link_target);
    stat->set_size(static_cast<int64_t>(entry.link_target.size()));
  } else if (entry.kind == fs::Kind::kCharDevice || entry.kind == fs::Kind::kBlockDevice) {
    stat->set_devmajor(major(entry.status.st_rdev));
    stat->set_devminor(minor(entry.status.st_rdev));
  }
}

}  // namespace cairn::client

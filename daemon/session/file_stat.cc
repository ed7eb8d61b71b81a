#include "daemon/session/file_stat.h"

#include <sys/stat.h>

#include "proto/fs_stat.pb.h"

namespace cairn::session {
namespace {

// Package io/fs, type FileMode.
constexpr uint32_t kGoDir = 1U << 31;
constexpr uint32_t kGoSymlink = 1U << 27;
constexpr uint32_t kGoDevice = 1U << 26;
constexpr uint32_t kGoFifo = 1U << 25;
constexpr uint32_t kGoSocket = 1U << 24;
constexpr uint32_t kGoSetuid = 1U << 23;
constexpr uint32_t kGoSetgid = 1U << 22;
constexpr uint32_t kGoCharDevice = 1U << 21;
constexpr uint32_t kGoSticky = 1U << 20;
constexpr uint32_t kGoIrregular = 1U << 19;
constexpr uint32_t kPermissions = 0777;

mode_t TypeOf(uint32_t go_mode) {
  if ((go_mode & kGoDir) != 0) {
    return S_IFDIR;
  }
  if ((go_mode & kGoSymlink) != 0) {
    return S_IFLNK;
  }
  if ((go_mode & kGoDevice) != 0) {
    return (go_mode & kGoCharDevice) != 0 ? S_IFCHR : S_IFBLK;
  }
  if ((go_mode & kGoFifo) != 0) {
    return S_IFIFO;
  }
  if ((go_mode & kGoSocket) != 0) {
    return S_IFSOCK;
  }
  return (go_mode & kGoIrregular) != 0 ? 0 : S_IFREG;
}

uint32_t GoTypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return kGoDir;
    case S_IFLNK:
      return kGoSymlink;
    case S_IFCHR:
      return kGoDevice | kGoCharDevice;
    case S_IFBLK:
      return kGoDevice;
    case S_IFIFO:
      return kGoFifo;
    case S_IFSOCK:
      return kGoSocket;
    case S_IFREG:
      return 0;
    default:
      return kGoIrregular;
  }
}

}  // namespace

mode_t ToStMode(uint32_t go_mode) {
  mode_t mode = TypeOf(go_mode) | (go_mode & kPermissions);
  mode |= (go_mode & kGoSetuid) != 0 ? S_ISUID : 0;
  mode |= (go_mode & kGoSetgid) != 0 ? S_ISGID : 0;
  mode |= (go_mode & kGoSticky) != 0 ? S_ISVTX : 0;
  return mode;
}

uint32_t ToGoMode(mode_t mode) {
  uint32_t go_mode = GoTypeOf(mode) | (mode & kPermissions);
  go_mode |= (mode & S_ISUID) != 0 ? kGoSetuid : 0;
  go_mode |= (mode & S_ISGID) != 0 ? kGoSetgid : 0;
  go_mode |= (mode & S_ISVTX) != 0 ? kGoSticky : 0;
  return go_mode;
}

FileStat FromWire(const fsutil::types::Stat& stat) {
  FileStat out;
  out.path = stat.path();
  out.mode = ToStMode(stat.mode());
  out.uid = stat.uid();
  out.gid = stat.gid();
  out.size = stat.size();
  out.mtime_ns = stat.modtime();
  out.link_name = stat.linkname();
  out.hard_link = !S_ISDIR(out.mode) && !S_ISLNK(out.mode) && !stat.linkname().empty();
  out.dev_major = static_cast<uint32_t>(stat.devmajor());
  out.dev_minor = static_cast<uint32_t>(stat.devminor());
  for (const auto& xattr : stat.xattrs()) {
    out.xattrs.emplace(xattr.first, xattr.second);
  }
  return out;
}

void ToWire(const FileStat& stat, fsutil::types::Stat* out) {
  out->set_path(stat.path);
  out->set_mode(ToGoMode(stat.mode));
  out->set_uid(stat.uid);
  out->set_gid(stat.gid);
  out->set_size(stat.size);
  out->set_modtime(stat.mtime_ns);
  out->set_linkname(stat.link_name);
  out->set_devmajor(stat.dev_major);
  out->set_devminor(stat.dev_minor);
  for (const auto& xattr : stat.xattrs) {
    (*out->mutable_xattrs())[xattr.first] = xattr.second;
  }
}

}  // namespace cairn::session

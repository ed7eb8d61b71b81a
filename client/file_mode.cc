#include "client/file_mode.h"

#include <sys/stat.h>

namespace cairn::client {
namespace {

constexpr uint32_t kDirectory = 1u << 31;
constexpr uint32_t kSymlink = 1u << 27;
constexpr uint32_t kDevice = 1u << 26;
constexpr uint32_t kNamedPipe = 1u << 25;
constexpr uint32_t kSocket = 1u << 24;
constexpr uint32_t kSetuid = 1u << 23;
constexpr uint32_t kSetgid = 1u << 22;
constexpr uint32_t kCharDevice = 1u << 21;
constexpr uint32_t kSticky = 1u << 20;

uint32_t TypeOf(fs::Kind kind) {
  switch (kind) {
    case fs::Kind::kFile:
      return 0;
    case fs::Kind::kDirectory:
      return kDirectory;
    case fs::Kind::kSymlink:
      return kSymlink;
    case fs::Kind::kFifo:
      return kNamedPipe;
    case fs::Kind::kCharDevice:
      return kDevice | kCharDevice;
    case fs::Kind::kBlockDevice:
      return kDevice;
    case fs::Kind::kSocket:
      return kSocket;
  }
  return 0;
}

}  // namespace

uint32_t ToGoMode(fs::Kind kind, uint32_t permissions) {
  uint32_t mode = TypeOf(kind) | (permissions & 0777);
  mode |= (permissions & S_ISUID) != 0 ? kSetuid : 0;
  mode |= (permissions & S_ISGID) != 0 ? kSetgid : 0;
  mode |= (permissions & S_ISVTX) != 0 ? kSticky : 0;
  return mode;
}

fs::Kind KindOfGoMode(uint32_t mode) {
  if ((mode & kDirectory) != 0) {
    return fs::Kind::kDirectory;
  }
  if ((mode & kSymlink) != 0) {
    return fs::Kind::kSymlink;
  }
  if ((mode & kDevice) != 0) {
    return (mode & kCharDevice) != 0 ? fs::Kind::kCharDevice : fs::Kind::kBlockDevice;
  }
  if ((mode & kNamedPipe) != 0) {
    return fs::Kind::kFifo;
  }
  return (mode & kSocket) != 0 ? fs::Kind::kSocket : fs::Kind::kFile;
}

uint32_t PermissionsOfGoMode(uint32_t mode) {
  uint32_t permissions = mode & 0777;
  permissions |= (mode & kSetuid) != 0 ? S_ISUID : 0;
  permissions |= (mode & kSetgid) != 0 ? S_ISGID : 0;
  permissions |= (mode & kSticky) != 0 ? S_ISVTX : 0;
  return permissions;
}

}  // namespace cairn::client

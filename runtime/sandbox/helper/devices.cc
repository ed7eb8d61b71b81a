#include "runtime/sandbox/helper/devices.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <string>

#include "runtime/sandbox/helper/root_path.h"

namespace cairn::sandbox {
namespace {

struct Device {
  const char* name;
  mode_t type;
  unsigned major;
  unsigned minor;
};

constexpr Device kDevices[] = {
    {"null", S_IFCHR, 1, 3},   {"zero", S_IFCHR, 1, 5},    {"full", S_IFCHR, 1, 7},
    {"random", S_IFCHR, 1, 8}, {"urandom", S_IFCHR, 1, 9}, {"tty", S_IFCHR, 5, 0},
};

constexpr Device kHostDevices[] = {
    {"kmsg", S_IFCHR, 1, 11},  {"cuse", S_IFCHR, 10, 203},    {"fuse", S_IFCHR, 10, 229},
    {"kvm", S_IFCHR, 10, 232}, {"net/tun", S_IFCHR, 10, 200}, {"loop-control", S_IFCHR, 10, 237},
};

// The loop devices in use, and this many free ones.
constexpr int kFreeLoopDevices = 8;

struct Link {
  const char* name;
  const char* target;
};

constexpr Link kLinks[] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"},
};

void MakeNode(int dev, const Device& device, const Reporter& reporter) {
  if (::mknodat(dev, device.name, device.type | 0666, makedev(device.major, device.minor)) != 0) {
    reporter.Fail(SetupStep::kMount, std::string("make device /dev/") + device.name, errno);
  }
}

int FirstFreeLoopDevice() {
  const ScopedFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  const int number = control.valid() ? ::ioctl(control.get(), LOOP_CTL_GET_FREE) : -1;
  return number < 0 ? 0 : number;
}

mode_t TypeOf(const DeviceNode& node) {
  switch (node.type) {
    case DeviceNode::Type::kBlock:
      return S_IFBLK;
    case DeviceNode::Type::kFifo:
      return S_IFIFO;
    case DeviceNode::Type::kCharacter:
      break;
  }
  return S_IFCHR;
}

}  // namespace

DeviceMounts MakeDeviceMounts(const FileSystems& file_systems, const Reporter& reporter) {
  const SetupStep step = SetupStep::kMount;
  DeviceMounts mounts;
  mounts.dev =
      file_systems.Make(step, "mount /dev", "tmpfs", {{"mode", "0755"}, {"size", "65536k"}},
                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
  const int dev = mounts.dev.get();
  for (const Device& device : kDevices) {
    MakeNode(dev, device, reporter);
  }
  for (const Link& link : kLinks) {
    if (::symlinkat(link.target, dev, link.name) != 0) {
      reporter.Fail(step, std::string("make link /dev/") + link.name, errno);
    }
  }
  for (const char* directory : {"pts", "shm", "mqueue"}) {
    if (::mkdirat(dev, directory, 0755) != 0) {
      reporter.Fail(step, std::string("make directory /dev/") + directory, errno);
    }
  }
  mounts.terminals = file_systems.Make(step, "mount /dev/pts", "devpts",
                                       {{"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}},
                                       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  mounts.shm =
      file_systems.Make(step, "mount /dev/shm", "tmpfs", {{"mode", "1777"}, {"size", "65536k"}},
                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);
  mounts.mqueue = file_systems.Make(step, "mount /dev/mqueue", "mqueue", {},
                                    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);
  return mounts;
}

void AddHostDevices(int dev, const Reporter& reporter) {
  if (::mkdirat(dev, "net", 0755) != 0) {
    reporter.Fail(SetupStep::kMount, "make directory /dev/net", errno);
  }
  for (const Device& device : kHostDevices) {
    MakeNode(dev, device, reporter);
  }
  const int loops = FirstFreeLoopDevice() + kFreeLoopDevices;
  for (int number = 0; number < loops; ++number) {
    const std::string name = "loop" + std::to_string(number);
    MakeNode(dev, {name.c_str(), S_IFBLK, 7, static_cast<unsigned>(number)}, reporter);
  }
}

void AddDevices(int dev, const std::vector<DeviceNode>& devices, uid_t uid, gid_t gid,
                const Reporter& reporter) {
  static const std::string kDev = "/dev/";
  for (const DeviceNode& node : devices) {
    const std::string what = "make device " + node.path;
    const std::string path = CleanPath(node.path);
    if (path.compare(0, kDev.size(), kDev) != 0) {
      reporter.Fail(SetupStep::kMount, what + ": not below /dev", 0);
    }
    const size_t slash = path.rfind('/');
    const std::string name = path.substr(slash + 1);
    ScopedFd made;
    int directory = dev;
    if (slash >= kDev.size()) {
      made = MakePath(dev, path.substr(kDev.size(), slash - kDev.size()), {});
      directory = made.get();
    }
    const uid_t owner = node.uid == DeviceNode::kOfProcess ? uid : node.uid;
    const gid_t group = node.gid == DeviceNode::kOfProcess ? gid : node.gid;
    ::unlinkat(directory, name.c_str(), 0);
    if (::mknodat(directory, name.c_str(), TypeOf(node) | (node.mode & 07777),
                  makedev(node.major, node.minor)) != 0 ||
        ::fchownat(directory, name.c_str(), owner, group, AT_SYMLINK_NOFOLLOW) != 0) {
      reporter.Fail(SetupStep::kMount, what, errno);
    }
  }
}

}  // namespace cairn::sandbox

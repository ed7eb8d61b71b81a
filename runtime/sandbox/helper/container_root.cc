#include "runtime/sandbox/helper/container_root.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>

#include "runtime/sandbox/helper/root_path.h"

namespace cairn::sandbox {
namespace {

constexpr uint64_t kNoExtras = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV;

// Files and directories that tell about, or act on, the host.
constexpr const char* kMaskedInProc[] = {
    "acpi",          "asound",      "interrupts", "kcore",      "keys",
    "latency_stats", "sched_debug", "scsi",       "timer_list", "timer_stats",
};
constexpr const char* kMaskedInSys[] = {"firmware", "devices/virtual/powercap"};
constexpr const char* kReadOnlyInProc[] = {"bus", "fs", "irq", "sys", "sysrq-trigger"};

std::string Octal(uint32_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%04o", mode & 07777);
  return text;
}

long FileSystemType(int fd) {
  struct statfs info;
  return ::fstatfs(fd, &info) == 0 ? static_cast<long>(info.f_type) : 0;
}

// The controllers of each hierarchy of the first version ("cpu,cpuacct") on this host; those of the
// second, and hierarchies without a controller, are left out.
std::vector<std::string> LegacyHierarchies() {
  std::vector<std::string> out;
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    // "4:cpu,cpuacct:/path"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && controllers.find('=') == std::string::npos) {
      out.push_back(controllers);
    }
  }
  return out;
}

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

ContainerRoot::ContainerRoot(const LaunchRequest& request, const Reporter& reporter,
                             DeviceMounts devices, ScopedFd proc)
    : request_(request),
      reporter_(reporter),
      file_systems_(reporter),
      devices_(std::move(devices)),
      proc_(std::move(proc)) {}

void ContainerRoot::MakeStaging() {
  const SetupStep step = SetupStep::kRoot;
  FileSystems::Options options = {{"mode", "0700"}};
  // It holds secrets, which must not reach a disk.
  if (file_systems_.Knows("tmpfs", "noswap")) {
    options.emplace_back("noswap", "");
  }
  staging_ = file_systems_.Make(step, "mount staging", "tmpfs", options, kNoExtras);
  const ScopedFd target(::open(request_.mount_point.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!target.valid()) {
    reporter_.Fail(step, "open " + request_.mount_point, errno);
  }
  file_systems_.Attach(step, "mount staging", staging_.get(), target.get());
  if (::mkdirat(staging_.get(), "root", 0700) != 0) {
    reporter_.Fail(step, "make staging directory", errno);
  }
}

void ContainerRoot::MountRoot() {
  const SetupStep step = SetupStep::kRoot;
  MakeStaging();
  if (request_.root.directory.empty()) {
    root_ = file_systems_.MakeOverlay(step, "mount root", request_.root.overlay, request_.skeleton,
                                      staging_.get());
  } else {
    const ScopedFd source = OpenHostPath(request_.root.directory);
    if (!source.valid()) {
      reporter_.Fail(step, "open root " + request_.root.directory, errno);
    }
    root_ = file_systems_.Clone(step, "mount root", source.get(), false);
  }
  file_systems_.Attach(step, "mount root", root_.get(), staging_.get(), "root");
  bare_root_ = file_systems_.Clone(step, "mount root", root_.get(), false);
}

void ContainerRoot::MountInside(uid_t uid, gid_t gid) {
  MountKernelFileSystems(uid, gid);
  for (const MountSpec& mount : request_.mounts) {
    MountOne(mount);
  }
  if (!stubs_.empty()) {
    StubReport report;
    report.stubs = std::move(stubs_);
    reporter_.SendStubs(report, bare_root_.get());
  }
}

void ContainerRoot::AttachAtDirectory(const char* path, int mount) {
  const std::string what = std::string("mount /") + path;
  // No symbolic link may stand where a kernel file system belongs: what is written to /proc later
  // must reach the real one.
  ScopedFd target = OpenBeneath(root_.get(), path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!target.valid() && errno == ENOENT) {
    MakePathOptions options;
    options.stubs = &stubs_;
    (void)MakePath(root_.get(), path, options);
    target = OpenBeneath(root_.get(), path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  }
  if (!target.valid()) {
    reporter_.Fail(SetupStep::kMount, what, errno == ELOOP ? ENOTDIR : errno);
  }
  file_systems_.Attach(SetupStep::kMount, what, mount, target.get());
}

void ContainerRoot::MountKernelFileSystems(uid_t uid, gid_t gid) {
  const SetupStep step = SetupStep::kMount;
  AttachAtDirectory("proc", proc_.get());
  AttachAtDirectory("dev", devices_.dev.get());
  file_systems_.Attach(step, "mount /dev/pts", devices_.terminals.get(), devices_.dev.get(), "pts");
  file_systems_.Attach(step, "mount /dev/mqueue", devices_.mqueue.get(), devices_.dev.get(),
                       "mqueue");
  bool own_shm = true;
  for (const MountSpec& mount : request_.mounts) {
    own_shm = own_shm && CleanPath(mount.destination) != "/dev/shm";
  }
  if (own_shm) {
    file_systems_.Attach(step, "mount /dev/shm", devices_.shm.get(), devices_.dev.get(), "shm");
  }
  if (request_.insecure) {
    AddHostDevices(devices_.dev.get(), reporter_);
  }
  AddDevices(devices_.dev.get(), request_.devices, uid, gid, reporter_);

  const uint64_t writable = request_.insecure ? 0 : static_cast<uint64_t>(MOUNT_ATTR_RDONLY);
  // Made now because it shows the network namespace that it is made in.
  sys_ = file_systems_.Make(step, "mount /sys", "sysfs", {}, kNoExtras | writable);
  AttachAtDirectory("sys", sys_.get());
  const ScopedFd cgroup_directory =
      OpenBeneath(sys_.get(), "fs/cgroup", O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (cgroup_directory.valid()) {
    MountCgroups(cgroup_directory.get());
  }
}

void ContainerRoot::MountCgroups(int directory) {
  const SetupStep step = SetupStep::kMount;
  const std::string what = "mount /sys/fs/cgroup";
  const std::vector<std::string> hierarchies = LegacyHierarchies();
  if (!request_.insecure || hierarchies.empty()) {
    const uint64_t writable = request_.insecure ? 0 : static_cast<uint64_t>(MOUNT_ATTR_RDONLY);
    const ScopedFd cgroup = file_systems_.Make(step, what, "cgroup2", {}, kNoExtras | writable);
    file_systems_.Attach(step, what, cgroup.get(), directory);
    return;
  }
  // Programs that need to be insecure (container engines) look for the controllers where the host
  // has them.
  const ScopedFd all = file_systems_.Make(step, what, "tmpfs", {{"mode", "0755"}}, kNoExtras);
  file_systems_.Attach(step, what, all.get(), directory);
  for (const std::string& hierarchy : hierarchies) {
    const std::string one = what + "/" + hierarchy;
    if (::mkdirat(all.get(), hierarchy.c_str(), 0755) != 0) {
      reporter_.Fail(step, one, errno);
    }
    FileSystems::Options controllers;
    for (size_t at = 0; at <= hierarchy.size();) {
      const size_t end = std::min(hierarchy.find(',', at), hierarchy.size());
      controllers.emplace_back(hierarchy.substr(at, end - at), "");
      at = end + 1;
    }
    const ScopedFd cgroup = file_systems_.Make(step, one, "cgroup", controllers, kNoExtras);
    file_systems_.Attach(step, one, cgroup.get(), all.get(), hierarchy.c_str());
  }
}

void ContainerRoot::CheckDestination(int target, const std::string& what) const {
  const long type = FileSystemType(target);
  struct stat place = {};
  struct stat dev = {};
  ::fstat(target, &place);
  ::fstat(devices_.dev.get(), &dev);
  // A place that cannot be told apart from those is treated as one of them.
  const bool unknown = type == 0;
  const bool in_sys = type == SYSFS_MAGIC || type == CGROUP2_SUPER_MAGIC;
  if (unknown || type == PROC_SUPER_MAGIC || SameFile(place, dev) ||
      (in_sys && !request_.insecure)) {
    reporter_.Fail(SetupStep::kMount, what + ": nothing can be mounted in /proc, /sys or over /dev",
                   0);
  }
}

void ContainerRoot::MountOne(const MountSpec& mount) {
  const std::string what = "mount " + mount.destination;
  bool directory = true;
  const ScopedFd source = MakeSource(mount, what, directory);
  MakePathOptions options;
  options.leaf = directory ? LeafKind::kDirectory : LeafKind::kFile;
  options.stubs = &stubs_;
  const ScopedFd target = MakePath(root_.get(), mount.destination, options);
  if (!target.valid()) {
    if (errno == EEXIST) {
      reporter_.Fail(SetupStep::kMount, what + ": the root cannot be mounted over", 0);
    }
    reporter_.Fail(SetupStep::kMount, what, errno);
  }
  CheckDestination(target.get(), what);
  file_systems_.Attach(SetupStep::kMount, what, source.get(), target.get());
}

ScopedFd ContainerRoot::MakeSource(const MountSpec& mount, const std::string& what,
                                   bool& directory) {
  switch (mount.kind) {
    case MountSpec::Kind::kBind:
    case MountSpec::Kind::kSocket:
      return MakeBindSource(mount, what, directory);
    case MountSpec::Kind::kOverlay:
      return MakeOverlaySource(mount, what, directory);
    case MountSpec::Kind::kTmpfs: {
      FileSystems::Options options = {{"mode", Octal(mount.mode)}};
      if (mount.size_bytes != 0) {
        options.emplace_back("size", std::to_string(mount.size_bytes));
      }
      return file_systems_.Make(SetupStep::kMount, what, "tmpfs", options,
                                MOUNT_ATTR_NOSUID | (mount.readonly ? MOUNT_ATTR_RDONLY : 0));
    }
    case MountSpec::Kind::kFile:
      directory = false;
      return MakeFileSource(mount, what);
  }
  reporter_.Fail(SetupStep::kMount, what + ": unknown kind of mount", 0);
}

ScopedFd ContainerRoot::MakeBindSource(const MountSpec& mount, const std::string& what,
                                       bool& directory) {
  const SetupStep step = SetupStep::kMount;
  ScopedFd source = OpenHostPath(mount.source);
  if (!source.valid()) {
    reporter_.Fail(step, what + ": source", errno);
  }
  if (!mount.selector.empty()) {
    source = OpenInRoot(source.get(), mount.selector, O_PATH);
    if (!source.valid()) {
      reporter_.Fail(step, what + ": " + mount.selector, errno);
    }
  }
  struct stat info = {};
  ::fstat(source.get(), &info);
  directory = S_ISDIR(info.st_mode);
  if (mount.kind == MountSpec::Kind::kSocket) {
    if (!S_ISSOCK(info.st_mode)) {
      reporter_.Fail(step, what + ": source is not a socket", 0);
    }
    const std::string path = "/proc/self/fd/" + std::to_string(source.get());
    if (::fchownat(source.get(), "", mount.uid, mount.gid, AT_EMPTY_PATH) != 0 ||
        ::chmod(path.c_str(), mount.mode & 07777) != 0) {
      reporter_.Fail(step, what + ": set owner and mode", errno);
    }
  }
  ScopedFd clone = file_systems_.Clone(step, what, source.get(), true);
  const uint64_t attributes =
      (mount.readonly ? MOUNT_ATTR_RDONLY : 0) | (mount.nosuid ? MOUNT_ATTR_NOSUID : 0) |
      (mount.nodev ? MOUNT_ATTR_NODEV : 0) | (mount.noexec ? MOUNT_ATTR_NOEXEC : 0);
  if (attributes != 0) {
    file_systems_.SetAttributes(step, what, clone.get(), attributes, true);
  }
  return clone;
}

ScopedFd ContainerRoot::MakeOverlaySource(const MountSpec& mount, const std::string& what,
                                          bool& directory) {
  const SetupStep step = SetupStep::kMount;
  // A single read-only directory needs no overlay, and overlayfs would refuse it.
  const bool single = mount.overlay.upper.empty() && mount.overlay.lowers.size() == 1;
  ScopedFd whole;
  if (single) {
    const ScopedFd source = OpenHostPath(mount.overlay.lowers.front());
    if (!source.valid()) {
      reporter_.Fail(step, what + ": source", errno);
    }
    whole = file_systems_.Clone(step, what, source.get(), false);
  } else {
    // An upper directory alone is completed by the skeleton's empty directory.
    const bool alone = mount.overlay.lowers.empty();
    whole = file_systems_.MakeOverlay(step, what, mount.overlay,
                                      alone ? request_.skeleton + "/sys" : std::string(),
                                      staging_.get());
  }
  if (mount.readonly || mount.overlay.upper.empty()) {
    file_systems_.SetAttributes(step, what, whole.get(), MOUNT_ATTR_RDONLY, false);
  }
  if (mount.selector.empty() || CleanPath(mount.selector) == "/") {
    return whole;
  }
  // Only a mount that is attached somewhere can be cloned in part.
  const std::string name = "mount" + std::to_string(staged_++);
  if (::mkdirat(staging_.get(), name.c_str(), 0700) != 0) {
    reporter_.Fail(step, what, errno);
  }
  file_systems_.Attach(step, what, whole.get(), staging_.get(), name.c_str());
  const ScopedFd part = OpenInRoot(whole.get(), mount.selector, O_PATH);
  struct stat info = {};
  if (!part.valid() || ::fstat(part.get(), &info) != 0) {
    reporter_.Fail(step, what + ": " + mount.selector, errno);
  }
  directory = S_ISDIR(info.st_mode);
  return file_systems_.Clone(step, what, part.get(), false);
}

ScopedFd ContainerRoot::MakeFileSource(const MountSpec& mount, const std::string& what) {
  const SetupStep step = SetupStep::kMount;
  const std::string name = "file" + std::to_string(staged_++);
  const ScopedFd file(::openat(staging_.get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  size_t done = 0;
  while (file.valid() && done < mount.content.size()) {
    const ssize_t put =
        ::write(file.get(), mount.content.data() + done, mount.content.size() - done);
    if (put < 0) {
      break;
    }
    done += static_cast<size_t>(put);
  }
  if (done < mount.content.size() || !file.valid() ||
      ::fchown(file.get(), mount.uid, mount.gid) != 0 ||
      ::fchmod(file.get(), mount.mode & 07777) != 0) {
    reporter_.Fail(step, what, errno);
  }
  const ScopedFd source(::openat(staging_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  ScopedFd clone = file_systems_.Clone(step, what, source.get(), false);
  file_systems_.SetAttributes(step, what, clone.get(), kNoExtras | MOUNT_ATTR_RDONLY, false);
  return clone;
}

void ContainerRoot::MaskOne(int base, const char* path, int empty_directory, int null_device) {
  const ScopedFd target = OpenBeneath(base, path, O_PATH);
  if (!target.valid()) {
    // A kernel without this feature has nothing to hide.
    if (errno == ENOENT) {
      return;
    }
    reporter_.Fail(SetupStep::kMount, std::string("mask ") + path, errno);
  }
  struct stat info = {};
  ::fstat(target.get(), &info);
  const int source = S_ISDIR(info.st_mode) ? empty_directory : null_device;
  const std::string what = std::string("mask ") + path;
  const ScopedFd cover = file_systems_.Clone(SetupStep::kMount, what, source, false);
  file_systems_.Attach(SetupStep::kMount, what, cover.get(), target.get());
}

void ContainerRoot::MakeReadOnly(int base, const char* path) {
  const ScopedFd target = OpenBeneath(base, path, O_PATH);
  if (!target.valid()) {
    if (errno == ENOENT) {
      return;
    }
    reporter_.Fail(SetupStep::kMount, std::string("make read-only ") + path, errno);
  }
  const std::string what = std::string("make read-only ") + path;
  const ScopedFd copy = file_systems_.Clone(SetupStep::kMount, what, target.get(), true);
  file_systems_.SetAttributes(SetupStep::kMount, what, copy.get(), kNoExtras | MOUNT_ATTR_RDONLY,
                              true);
  file_systems_.Attach(SetupStep::kMount, what, copy.get(), target.get());
}

void ContainerRoot::Seal() {
  if (!request_.insecure) {
    Mask();
  }
  if (request_.root.readonly) {
    file_systems_.SetAttributes(SetupStep::kRoot, "make root read-only", root_.get(),
                                MOUNT_ATTR_RDONLY, false);
  }
}

void ContainerRoot::Mask() {
  const SetupStep step = SetupStep::kMount;
  const ScopedFd null_device = OpenBeneath(devices_.dev.get(), "null", O_PATH | O_NOFOLLOW);
  struct stat info = {};
  if (!null_device.valid() || ::fstat(null_device.get(), &info) != 0 || !S_ISCHR(info.st_mode) ||
      info.st_rdev != makedev(1, 3)) {
    reporter_.Fail(step, "mask: /dev/null is not the null device", 0);
  }
  if (::mkdirat(staging_.get(), "empty", 0755) != 0) {
    reporter_.Fail(step, "mask: make empty directory", errno);
  }
  const ScopedFd empty_mount = file_systems_.Make(
      step, "mask", "tmpfs", {{"mode", "0755"}, {"nr_inodes", "2"}}, kNoExtras | MOUNT_ATTR_RDONLY);
  file_systems_.Attach(step, "mask", empty_mount.get(), staging_.get(), "empty");
  for (const char* path : kReadOnlyInProc) {
    MakeReadOnly(proc_.get(), path);
  }
  for (const char* path : kMaskedInProc) {
    MaskOne(proc_.get(), path, empty_mount.get(), null_device.get());
  }
  for (const char* path : kMaskedInSys) {
    MaskOne(sys_.get(), path, empty_mount.get(), null_device.get());
  }
  const long processors = ::sysconf(_SC_NPROCESSORS_CONF);
  for (long number = 0; number < processors; ++number) {
    const std::string path =
        "devices/system/cpu/cpu" + std::to_string(number) + "/thermal_throttle";
    MaskOne(sys_.get(), path.c_str(), empty_mount.get(), null_device.get());
  }
}

void ContainerRoot::Enter() {
  const SetupStep step = SetupStep::kRoot;
  if (::fchdir(root_.get()) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
      ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
    reporter_.Fail(step, "change root", errno);
  }
}

}  // namespace cairn::sandbox

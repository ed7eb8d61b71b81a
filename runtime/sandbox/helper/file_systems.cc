#include "runtime/sandbox/helper/file_systems.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>

#include "runtime/sandbox/helper/root_path.h"

namespace cairn::sandbox {
namespace {

// The kernel's own words about what is wrong with a configuration ("e overlay: ..."), or nothing.
std::string KernelMessages(int context) {
  std::string all;
  char line[512];
  for (;;) {
    const ssize_t got = ::read(context, line, sizeof line);
    if (got <= 2) {
      return all;
    }
    all += " (" + std::string(line + 2, static_cast<size_t>(got) - 2);
    while (!all.empty() && all.back() == '\n') {
      all.pop_back();
    }
    all += ")";
  }
}

// Overlay directories are named by descriptor: a path may hold any character and be of any length,
// and the step cannot read the host's paths from /proc/self/mountinfo.
std::string DescriptorPath(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

bool SetString(int context, const char* key, const std::string& value) {
  return ::fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
}

// An option without a value is a flag.
bool SetOption(int context, const std::string& key, const std::string& value) {
  return value.empty() ? ::fsconfig(context, FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0) == 0
                       : SetString(context, key.c_str(), value);
}

}  // namespace

ScopedFd FileSystems::Make(SetupStep step, const std::string& what, const char* type,
                           const Options& options, uint64_t attributes) const {
  ScopedFd context(::fsopen(type, FSOPEN_CLOEXEC));
  if (!context.valid()) {
    reporter_.Fail(step, what + ": " + type, errno);
  }
  return Create(step, what, context.get(), type, options, attributes);
}

bool FileSystems::Knows(const char* type, const char* flag) const {
  const ScopedFd context(::fsopen(type, FSOPEN_CLOEXEC));
  return context.valid() && SetOption(context.get(), flag, "");
}

ScopedFd FileSystems::Create(SetupStep step, const std::string& what, int context, const char* type,
                             const Options& options, uint64_t attributes) const {
  // What mount(8) and df(1) show in the first column.
  SetString(context, "source", type);
  for (const auto& option : options) {
    if (!SetOption(context, option.first, option.second)) {
      const int error = errno;
      reporter_.Fail(step, what + ": " + option.first + KernelMessages(context), error);
    }
  }
  if (::fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    const int error = errno;
    reporter_.Fail(step, what + KernelMessages(context), error);
  }
  ScopedFd mount(::fsmount(context, FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)));
  if (!mount.valid()) {
    reporter_.Fail(step, what, errno);
  }
  return mount;
}

ScopedFd FileSystems::MakeOverlay(SetupStep step, const std::string& what,
                                  const OverlaySpec& overlay, const std::string& skeleton,
                                  int staging) const {
  std::vector<ScopedFd> directories;
  auto open_directory = [&](const std::string& path) {
    ScopedFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) {
      reporter_.Fail(step, what + ": " + path, errno);
    }
    directories.push_back(std::move(fd));
    return DescriptorPath(directories.back().get());
  };
  std::vector<std::string> lowers;
  for (const std::string& lower : overlay.lowers) {
    lowers.push_back(open_directory(lower));
  }
  if (!skeleton.empty()) {
    lowers.push_back(open_directory(skeleton));
  }
  // Features that write attributes which other mounts of the same directories would have to know
  // are off, and redirects that a layer may carry are not followed.
  Options options = {{"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}};
  if (!overlay.upper.empty()) {
    options.emplace_back("upperdir", open_directory(overlay.upper));
    options.emplace_back("workdir", open_directory(overlay.work));
    if (!overlay.synced) {
      options.emplace_back("volatile", "");
    }
  }

  ScopedFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context.valid()) {
    reporter_.Fail(step, what + ": overlay", errno);
  }
  for (const std::string& lower : lowers) {
    if (SetString(context.get(), "lowerdir+", lower)) {
      continue;
    }
    if (errno != EINVAL || &lower != &lowers.front()) {
      const int error = errno;
      reporter_.Fail(step, what + KernelMessages(context.get()), error);
    }
    // Before Linux 6.7 there is only the joined form, and fsconfig takes no more than 255 bytes.
    std::string joined = lowers.front();
    for (size_t i = 1; i < lowers.size(); ++i) {
      joined += ":" + lowers[i];
    }
    std::string rest;
    for (const auto& option : options) {
      rest += "," + option.first + (option.second.empty() ? "" : "=" + option.second);
    }
    return MakeOverlayWithMountCall(what, joined, rest, staging);
  }
  return Create(step, what, context.get(), "overlay", options, 0);
}

ScopedFd FileSystems::MakeOverlayWithMountCall(const std::string& what, const std::string& lowers,
                                               const std::string& rest, int staging) const {
  if (::mkdirat(staging, "overlay", 0700) != 0 && errno != EEXIST) {
    reporter_.Fail(SetupStep::kRoot, what, errno);
  }
  const std::string target = DescriptorPath(staging) + "/overlay";
  const std::string data = "lowerdir=" + lowers + rest;
  if (::mount("overlay", target.c_str(), "overlay", 0, data.c_str()) != 0) {
    reporter_.Fail(SetupStep::kRoot, what, errno);
  }
  ScopedFd mounted(::openat(staging, "overlay", O_PATH | O_DIRECTORY | O_CLOEXEC));
  ScopedFd clone = Clone(SetupStep::kRoot, what, mounted.get(), false);
  ::umount2(target.c_str(), MNT_DETACH);
  return clone;
}

ScopedFd FileSystems::Clone(SetupStep step, const std::string& what, int tree,
                            bool recursive) const {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
  if (recursive) {
    flags |= AT_RECURSIVE;
  }
  ScopedFd clone(::open_tree(tree, "", flags));
  if (!clone.valid()) {
    reporter_.Fail(step, what, errno);
  }
  return clone;
}

void FileSystems::SetAttributes(SetupStep step, const std::string& what, int mount,
                                uint64_t attributes, bool recursive) const {
  mount_attr attr = {};
  attr.attr_set = attributes;
  const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  if (::mount_setattr(mount, "", flags, &attr, sizeof attr) != 0) {
    reporter_.Fail(step, what, errno);
  }
}

void FileSystems::Attach(SetupStep step, const std::string& what, int mount, int target,
                         const char* name) const {
  unsigned flags = MOVE_MOUNT_F_EMPTY_PATH;
  if (*name == '\0') {
    flags |= MOVE_MOUNT_T_EMPTY_PATH;
  }
  if (::move_mount(mount, "", target, name, flags) != 0) {
    reporter_.Fail(step, what, errno);
  }
}

}  // namespace cairn::sandbox

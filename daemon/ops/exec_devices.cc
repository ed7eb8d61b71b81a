#include "daemon/ops/exec_devices.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/go_match.h"

namespace cairn::ops {
namespace {

constexpr char kDev[] = "/dev/";
// What the kernel's device numbers hold.
constexpr int64_t kMajors = 1 << 12;
constexpr int64_t kMinors = 1 << 20;

// Of a host's node: its type as specs name it, numbers and permission bits.
struct HostNode {
  std::string type;
  int64_t major = 0;
  int64_t minor = 0;
  uint32_t mode = 0;
};

StatusOr<HostNode> ReadHostNode(const std::string& path) {
  struct stat info = {};
  if (::lstat(path.c_str(), &info) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("device ", path, " of the host: ", ErrnoStatus(errno, "stat").message()));
  }
  HostNode node{.major = static_cast<int64_t>(major(info.st_rdev)),
                .minor = static_cast<int64_t>(minor(info.st_rdev)),
                .mode = info.st_mode & 07777u};
  node.type = S_ISBLK(info.st_mode)    ? "b"
              : S_ISCHR(info.st_mode)  ? "c"
              : S_ISFIFO(info.st_mode) ? "p"
                                       : "";
  if (node.type.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(path, " of the host is not a device"));
  }
  return node;
}

Status CompleteFromHost(devices::DeviceNodeEdit& edit) {
  if (edit.type == "u") {
    edit.type = "c";
  }
  // Such a node can be made whatever the host has.
  const bool is_complete = !edit.type.empty() && (edit.major != 0 || edit.type == "p");
  const StatusOr<HostNode> host = ReadHostNode(edit.host_path.empty() ? edit.path : edit.host_path);
  if (!host.ok()) {
    return is_complete ? absl::OkStatus() : host.status();
  }
  if (!edit.mode) {
    edit.mode = host->mode;
  }
  if (is_complete) {
    return absl::OkStatus();
  }
  if (edit.type.empty()) {
    edit.type = host->type;
  }
  if (edit.type != host->type) {
    return absl::InvalidArgumentError(absl::StrCat("device ", edit.path, " is of type ", edit.type,
                                                   ", the host's is of type ", host->type));
  }
  if (edit.type != "p" && edit.major == 0) {
    edit.major = host->major;
    edit.minor = host->minor;
  }
  return absl::OkStatus();
}

StatusOr<sandbox::DeviceNode> NodeOf(devices::DeviceNodeEdit edit) {
  using Type = sandbox::DeviceNode::Type;
  if (!absl::StartsWith(CleanPath(edit.path), kDev)) {
    return absl::InvalidArgumentError(
        absl::StrCat("device ", edit.path, ": a device of a step must be below /dev"));
  }
  RETURN_IF_ERROR(CompleteFromHost(edit));
  if (edit.major < 0 || edit.major >= kMajors || edit.minor < 0 || edit.minor >= kMinors) {
    return absl::InvalidArgumentError(
        absl::StrCat("device ", edit.path, ": there is no device ", edit.major, ":", edit.minor));
  }
  const auto may = [&edit](char access) {
    return edit.permissions.empty() || edit.permissions.find(access) != std::string::npos;
  };
  return sandbox::DeviceNode{
      .path = edit.path,
      .type = edit.type == "b"   ? Type::kBlock
              : edit.type == "p" ? Type::kFifo
                                 : Type::kCharacter,
      .major = static_cast<uint32_t>(edit.major),
      .minor = static_cast<uint32_t>(edit.minor),
      .mode = edit.mode.value_or(0666),
      .uid = edit.uid.value_or(sandbox::DeviceNode::kOfProcess),
      .gid = edit.gid.value_or(sandbox::DeviceNode::kOfProcess),
      .readable = may('r'),
      .writable = may('w'),
  };
}

// Options that are the default here, or say how mounts spread, which those of a step never do.
bool IsWithoutEffect(string_view option) {
  for (const char* known :
       {"rw",          "bind",          "rbind",      "suid",       "dev",     "exec",
        "private",     "rprivate",      "slave",      "rslave",     "shared",  "rshared",
        "unbindable",  "runbindable",   "relatime",   "norelatime", "noatime", "atime",
        "strictatime", "nostrictatime", "nodiratime", "diratime",   "async",   "defaults"}) {
    if (option == known) {
      return true;
    }
  }
  return false;
}

StatusOr<sandbox::MountSpec> MountOf(const devices::MountEdit& edit) {
  const std::string what = absl::StrCat("mount ", edit.container_path, " of a device");
  if (!edit.type.empty() && edit.type != "bind" && edit.type != "none") {
    return absl::UnimplementedError(
        absl::StrCat(what, ": a file system of type ", edit.type, " is not supported"));
  }
  sandbox::MountSpec mount{.kind = sandbox::MountSpec::Kind::kBind,
                           .destination = edit.container_path,
                           .source = edit.host_path};
  for (const std::string& option : edit.options) {
    if (option == "ro" || option == "rro") {
      mount.readonly = true;
    } else if (option == "nosuid") {
      mount.nosuid = true;
    } else if (option == "nodev") {
      mount.nodev = true;
    } else if (option == "noexec") {
      mount.noexec = true;
    } else if (!IsWithoutEffect(option)) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": unknown option ", option));
    }
  }
  return mount;
}

Status CheckSupported(const devices::ContainerEdits& edits) {
  if (!edits.hooks.empty()) {
    return absl::UnimplementedError(
        absl::StrCat("the device needs the hook ", edits.hooks.front().name, " (",
                     edits.hooks.front().path, "): this daemon runs no hooks"));
  }
  if (!edits.net_devices.empty()) {
    return absl::UnimplementedError(absl::StrCat("the device brings the network interface ",
                                                 edits.net_devices.front().host_name,
                                                 ": steps cannot have interfaces of the host"));
  }
  if (edits.intel_rdt) {
    return absl::UnimplementedError("the device needs Intel RDT, which steps cannot have");
  }
  return absl::OkStatus();
}

// Parents before what lies inside them.
ptrdiff_t DepthOf(const sandbox::MountSpec& mount) {
  const std::string path = CleanPath(mount.destination);
  return path == "/" ? 0 : std::count(path.begin(), path.end(), '/');
}

}  // namespace

Status AddDevices(const devices::ContainerEdits& edits, sandbox::ContainerSpec& container,
                  sandbox::ProcessSpec& process) {
  RETURN_IF_ERROR(CheckSupported(edits));
  process.env.insert(process.env.end(), edits.env.begin(), edits.env.end());
  for (const devices::DeviceNodeEdit& edit : edits.device_nodes) {
    ASSIGN_OR_RETURN(sandbox::DeviceNode node, NodeOf(edit));
    container.devices.push_back(std::move(node));
  }
  std::vector<sandbox::MountSpec>& mounts = container.mounts;
  for (const devices::MountEdit& edit : edits.mounts) {
    ASSIGN_OR_RETURN(sandbox::MountSpec mount, MountOf(edit));
    mounts.erase(std::remove_if(mounts.begin(), mounts.end(),
                                [&mount](const sandbox::MountSpec& other) {
                                  return CleanPath(other.destination) ==
                                         CleanPath(mount.destination);
                                }),
                 mounts.end());
    mounts.push_back(std::move(mount));
  }
  if (!edits.mounts.empty()) {
    std::stable_sort(mounts.begin(), mounts.end(),
                     [](const auto& a, const auto& b) { return DepthOf(a) < DepthOf(b); });
  }
  for (const uint32_t gid : edits.additional_gids) {
    if (gid != 0) {
      process.additional_groups.push_back(gid);
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::ops

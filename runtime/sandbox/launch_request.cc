#include "runtime/sandbox/launch_request.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/go_match.h"
#include "runtime/sandbox/channel.h"

namespace cairn::sandbox {
namespace {

constexpr size_t kMaxHostname = 64;

const std::map<std::string, int>& LimitNames() {
  static const auto* const names = new std::map<std::string, int>{
      {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
      {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
      {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
      {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
      {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
      {"stack", RLIMIT_STACK},
  };
  return *names;
}

uint64_t LimitValue(int64_t value) {
  return value < 0 ? static_cast<uint64_t>(RLIM_INFINITY) : static_cast<uint64_t>(value);
}

// The kernel takes strings up to the first NUL: what follows would silently be lost.
Status CheckText(string_view what, const std::string& text) {
  if (text.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(what, " contains a NUL byte"));
  }
  return absl::OkStatus();
}

Status CheckAbsolute(string_view what, const std::string& path) {
  RETURN_IF_ERROR(CheckText(what, path));
  if (path.empty() || path[0] != '/') {
    return absl::InvalidArgumentError(absl::StrCat(what, " is not an absolute path: ", path));
  }
  return absl::OkStatus();
}

// A word in a line-based file.
Status CheckWord(string_view what, const std::string& text) {
  const bool bad = text.empty() || std::any_of(text.begin(), text.end(), [](unsigned char c) {
                     return absl::ascii_isspace(c) || c < 0x20;
                   });
  return bad ? absl::InvalidArgumentError(absl::StrCat("invalid ", what, " \"", text, "\""))
             : absl::OkStatus();
}

Status CheckOverlay(const OverlaySpec& overlay) {
  for (const std::string& lower : overlay.lowers) {
    RETURN_IF_ERROR(CheckAbsolute("overlay directory", lower));
  }
  if (overlay.upper.empty() != overlay.work.empty()) {
    return absl::InvalidArgumentError("overlay needs both upper and work directory, or neither");
  }
  if (overlay.upper.empty()) {
    return overlay.lowers.empty() ? absl::InvalidArgumentError("overlay has no directories")
                                  : absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckAbsolute("overlay upper directory", overlay.upper));
  return CheckAbsolute("overlay work directory", overlay.work);
}

Status CheckMount(const MountSpec& mount) {
  RETURN_IF_ERROR(CheckAbsolute("mount destination", mount.destination));
  RETURN_IF_ERROR(CheckText("mount selector", mount.selector));
  switch (mount.kind) {
    case MountSpec::Kind::kBind:
    case MountSpec::Kind::kSocket:
      return CheckAbsolute("mount source", mount.source);
    case MountSpec::Kind::kOverlay:
      return CheckOverlay(mount.overlay);
    case MountSpec::Kind::kTmpfs:
    case MountSpec::Kind::kFile:
      return absl::OkStatus();
  }
  return absl::InvalidArgumentError("unknown kind of mount");
}

Status CheckDevice(const DeviceNode& node) {
  RETURN_IF_ERROR(CheckAbsolute("path of a device", node.path));
  return absl::StartsWith(CleanPath(node.path), "/dev/")
             ? absl::OkStatus()
             : absl::InvalidArgumentError(absl::StrCat("device ", node.path, " is not below /dev"));
}

}  // namespace

Status CheckProcess(const ProcessSpec& process) {
  if (process.args.empty() || process.args.front().empty()) {
    return absl::InvalidArgumentError("no command given");
  }
  for (const std::string& argument : process.args) {
    RETURN_IF_ERROR(CheckText("argument", argument));
  }
  for (const std::string& variable : process.env) {
    RETURN_IF_ERROR(CheckText("environment variable", variable));
  }
  RETURN_IF_ERROR(CheckText("user", process.user));
  return CheckAbsolute("working directory", process.cwd);
}

Status CheckContainer(const ContainerSpec& container) {
  if (container.root.directory.empty()) {
    RETURN_IF_ERROR(CheckOverlay(container.root.overlay));
  } else {
    RETURN_IF_ERROR(CheckAbsolute("root directory", container.root.directory));
  }
  for (const DeviceNode& node : container.devices) {
    RETURN_IF_ERROR(CheckDevice(node));
  }
  for (const MountSpec& mount : container.mounts) {
    RETURN_IF_ERROR(CheckMount(mount));
  }
  if (!container.hostname.empty()) {
    RETURN_IF_ERROR(CheckWord("hostname", container.hostname));
    if (container.hostname.size() > kMaxHostname) {
      return absl::InvalidArgumentError(absl::StrCat("hostname is longer than ", kMaxHostname));
    }
  }
  for (const ExtraHost& host : container.extra_hosts) {
    RETURN_IF_ERROR(CheckWord("host name", host.name));
    RETURN_IF_ERROR(CheckWord("host address", host.address));
  }
  for (const auto* words : {&container.dns.search_domains, &container.dns.options}) {
    for (const std::string& word : *words) {
      RETURN_IF_ERROR(CheckWord("resolver setting", word));
    }
  }
  if (container.network.mode == NetworkSpec::Mode::kHost &&
      !container.network.host_entitlement.has_value()) {
    return absl::PermissionDeniedError("network.host is not allowed");
  }
  return CheckText("cgroup parent", container.cgroup_parent);
}

StatusOr<std::vector<RlimitRequest>> MakeRlimits(const std::vector<Ulimit>& ulimits) {
  // More than any step needs, and programs that close every number there is still end.
  constexpr uint64_t kMaxFiles = 1 << 20;
  // BuildKit's steps have its daemon's hard limit for both (it sets none, and the runtimes of the
  // programs in between raise the soft one). Raising our own hard limit needs a power that the
  // daemon may lack.
  rlimit own = {};
  ::getrlimit(RLIMIT_NOFILE, &own);
  const uint64_t files = std::min<uint64_t>(kMaxFiles, own.rlim_max);
  std::map<int, RlimitRequest> limits = {
      {RLIMIT_NOFILE, {RLIMIT_NOFILE, files, files}},
      // Soft: a program that wants to dump core may raise it.
      {RLIMIT_CORE, {RLIMIT_CORE, 0, static_cast<uint64_t>(RLIM_INFINITY)}},
  };
  for (const Ulimit& ulimit : ulimits) {
    const auto name = LimitNames().find(absl::AsciiStrToLower(ulimit.name));
    if (name == LimitNames().end()) {
      return absl::InvalidArgumentError(absl::StrCat("unknown ulimit ", ulimit.name));
    }
    limits[name->second] = {static_cast<uint64_t>(name->second), LimitValue(ulimit.soft),
                            LimitValue(ulimit.hard)};
  }
  std::vector<RlimitRequest> requests;
  for (const auto& limit : limits) {
    requests.push_back(limit.second);
  }
  return requests;
}

Status SendLaunch(int setup, const LaunchRequest& request, const ProcessIo& io,
                  const std::vector<int>& descriptors) {
  UniqueFd null_device(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null_device.valid()) {
    return ErrnoStatus(errno, "open /dev/null");
  }
  std::vector<int> all;
  for (const UniqueFd* stream : {&io.input, &io.output, &io.error}) {
    all.push_back(stream->valid() ? stream->get() : null_device.get());
  }
  all.insert(all.end(), descriptors.begin(), descriptors.end());
  const int error =
      SendFrame(setup, static_cast<uint32_t>(FrameType::kLaunch), Encode(request), all);
  if (error == EMSGSIZE) {
    return absl::InvalidArgumentError(
        "the process' arguments, environment and files are too large");
  }
  if (error != 0 && error != EPIPE && error != ECONNRESET) {
    return absl::UnavailableError(
        absl::StrCat("sandbox helper: ", ErrnoStatus(error, "send").message()));
  }
  // A helper that has failed already says why on this socket.
  return absl::OkStatus();
}

}  // namespace cairn::sandbox

#include "runtime/sandbox/executor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "absl/strings/str_cat.h"
#include "runtime/base/digest.h"
#include "runtime/sandbox/identity_files.h"
#include "runtime/sandbox/launch_request.h"
#include "runtime/sandbox/sealed_program.h"
#include "runtime/sandbox/seccomp_filter.h"
#include "runtime/sandbox/seccomp_profile.h"

namespace cairn::sandbox {
namespace {

constexpr char kMountPoint[] = "/mount";
constexpr char kSkeleton[] = "/skeleton";
constexpr char kNetworkRecords[] = "/cni";

Status MakeDirectory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make directory ", path));
  }
  return absl::OkStatus();
}

Status MakeEmptyFile(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  return file.valid() ? absl::OkStatus() : ErrnoStatus(errno, absl::StrCat("make ", path));
}

MountSpec TextFile(const char* destination, std::string content) {
  MountSpec mount;
  mount.kind = MountSpec::Kind::kFile;
  mount.destination = destination;
  mount.content = std::move(content);
  mount.mode = 0644;
  return mount;
}

bool HasMountAt(const ContainerSpec& container, string_view destination) {
  for (const MountSpec& mount : container.mounts) {
    if (mount.destination == destination) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> UnsyncedWorkDirectories(const ContainerSpec& container) {
  std::vector<std::string> directories;
  auto add = [&directories](const OverlaySpec& overlay) {
    if (!overlay.synced && !overlay.work.empty()) {
      directories.push_back(overlay.work);
    }
  };
  add(container.root.overlay);
  for (const MountSpec& mount : container.mounts) {
    add(mount.overlay);
  }
  return directories;
}

DnsConfig WithDefaults(DnsConfig dns, const DnsConfig& defaults) {
  if (dns.nameservers.empty()) {
    dns.nameservers = defaults.nameservers;
  }
  if (dns.search_domains.empty()) {
    dns.search_domains = defaults.search_domains;
  }
  if (dns.options.empty()) {
    dns.options = defaults.options;
  }
  return dns;
}

}  // namespace

StatusOr<std::unique_ptr<Executor>> Executor::Create(ExecutorOptions options) {
  std::unique_ptr<Executor> executor(new Executor(std::move(options)));
  const ExecutorOptions& chosen = executor->options_;
  RETURN_IF_ERROR(executor->MakeDirectories());
  ASSIGN_OR_RETURN(executor->seccomp_filter_, CompileSeccompFilter(DefaultSeccompProfile()));
  CgroupTreeOptions cgroups;
  cgroups.parent = chosen.cgroup_parent;
  cgroups.key = Digest::Of(chosen.state_directory).hex().substr(0, 12);
  cgroups.move_processes_out_of_top = chosen.move_processes_out_of_top_cgroup;
  ASSIGN_OR_RETURN(executor->cgroups_, CgroupTree::Create(std::move(cgroups)));
  NetworkOptions network = chosen.network;
  network.record_directory = chosen.state_directory + kNetworkRecords;
  ASSIGN_OR_RETURN(executor->network_, MakeNetwork(network));
  ASSIGN_OR_RETURN(UniqueFd program, OpenSealedProgram(chosen.helper_program));
  HelperPoolOptions pool;
  pool.size = chosen.pool_size;
  pool.oom_score_adj = chosen.oom_score_adj;
  executor->pool_ = std::make_unique<HelperPool>(pool, std::move(program), *executor->cgroups_);
  return executor;
}

Executor::~Executor() = default;

Status Executor::MakeDirectories() const {
  const std::string& state = options_.state_directory;
  if (state.empty() || state[0] != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("sandbox state directory is not an absolute path: ", state));
  }
  RETURN_IF_ERROR(MakeDirectory(state, 0700));
  RETURN_IF_ERROR(MakeDirectory(state + kMountPoint, 0700));
  // What nearly every container has mounts on; below an overlay root nothing need be made for them
  // in the layer that the step writes.
  const std::string skeleton = state + kSkeleton;
  for (const char* directory : {"", "/proc", "/sys", "/dev", "/etc"}) {
    RETURN_IF_ERROR(MakeDirectory(skeleton + directory, 0755));
  }
  RETURN_IF_ERROR(MakeEmptyFile(skeleton + "/etc/hosts"));
  return MakeEmptyFile(skeleton + "/etc/resolv.conf");
}

StatusOr<LaunchRequest> Executor::MakeRequest(const ContainerSpec& container,
                                              const ProcessSpec& process) const {
  LaunchRequest request;
  request.process = process;
  request.insecure = container.insecure.has_value();
  if (!request.insecure) {
    request.seccomp_filter = seccomp_filter_;
    request.apparmor_profile = options_.apparmor_profile;
  }
  ASSIGN_OR_RETURN(request.rlimits, MakeRlimits(container.ulimits));
  request.root = container.root;
  request.devices = container.devices;
  request.hostname = container.hostname.empty() ? kDefaultHostname : container.hostname;
  request.mount_point = options_.state_directory + kMountPoint;
  request.skeleton = options_.state_directory + kSkeleton;

  const bool host_network =
      container.network.mode == NetworkSpec::Mode::kHost ||
      (container.network.mode == NetworkSpec::Mode::kDefault && network_->is_host());
  if (!HasMountAt(container, "/etc/resolv.conf")) {
    ResolverOptions resolver;
    resolver.dns = WithDefaults(container.dns, options_.dns);
    resolver.host_network = host_network;
    ASSIGN_OR_RETURN(std::string text, MakeResolverFile(resolver));
    request.mounts.push_back(TextFile("/etc/resolv.conf", std::move(text)));
  }
  if (!HasMountAt(container, "/etc/hosts")) {
    request.mounts.push_back(
        TextFile("/etc/hosts", MakeHostsFile(request.hostname, container.extra_hosts)));
  }
  request.mounts.insert(request.mounts.end(), container.mounts.begin(), container.mounts.end());
  return request;
}

StatusOr<std::vector<UniqueFd>> Executor::PrepareGroup(const ContainerSpec& container,
                                                       Container::Parts& parts) const {
  if (!container.cgroup_parent.empty()) {
    ASSIGN_OR_RETURN(parts.cgroup, cgroups_->Make(container.cgroup_parent));
  }
  Cgroup& group = parts.cgroup != nullptr ? *parts.cgroup : *parts.helper.cgroup;
  ResourceLimits limits = container.limits;
  // A default that cannot be set is a limitation of the host, not an error of this container.
  const bool default_pids = limits.pids_max == 0 && options_.default_pids_max != 0;
  RETURN_IF_ERROR(group.ApplyLimits(limits));
  if (default_pids) {
    ResourceLimits defaults;
    defaults.pids_max = options_.default_pids_max;
    group.ApplyLimits(defaults).IgnoreError();
  }
  if (container.insecure.has_value()) {
    RETURN_IF_ERROR(group.AllowAllDevices());
  } else if (!container.devices.empty()) {
    RETURN_IF_ERROR(group.AllowDevices(container.devices));
  }
  return group.TakeProcsFiles();
}

StatusOr<std::unique_ptr<Container>> Executor::Start(const ContainerSpec& container,
                                                     const ProcessSpec& process, ProcessIo io,
                                                     const CancelToken& cancel) {
  const absl::Time began = absl::Now();
  RETURN_IF_ERROR(CheckContainer(container));
  RETURN_IF_ERROR(CheckProcess(process));
  RETURN_IF_ERROR(cancel.Check());
  ASSIGN_OR_RETURN(LaunchRequest request, MakeRequest(container, process));
  Container::Parts parts;
  ASSIGN_OR_RETURN(parts.helper, pool_->Take());
  std::vector<int> descriptors;
  switch (container.network.mode) {
    case NetworkSpec::Mode::kHost:
      request.network = LaunchRequest::Network::kHost;
      break;
    case NetworkSpec::Mode::kDefault: {
      ASSIGN_OR_RETURN(parts.network, network_->Attach(container.hostname, cancel));
      const int network_namespace = parts.network->network_namespace();
      request.network =
          network_namespace < 0 ? LaunchRequest::Network::kHost : LaunchRequest::Network::kJoin;
      if (network_namespace >= 0) {
        descriptors.push_back(network_namespace);
      }
      break;
    }
    default:
      request.network = LaunchRequest::Network::kNone;
      break;
  }
  ASSIGN_OR_RETURN_IN(const std::vector<UniqueFd> procs, PrepareGroup(container, parts), "cgroup");
  for (const UniqueFd& file : procs) {
    descriptors.push_back(file.get());
  }
  parts.insecure = request.insecure;
  parts.rlimits = request.rlimits;
  parts.seccomp_filter = request.seccomp_filter;
  parts.apparmor_profile = request.apparmor_profile;
  parts.keep_stub_parents = container.keep_stub_parents;
  parts.unsynced_work = UnsyncedWorkDirectories(container);
  parts.requested = absl::Now();
  parts.acquire = parts.requested - began;
  RETURN_IF_ERROR(SendLaunch(parts.helper.setup.get(), request, io, descriptors));
  return std::unique_ptr<Container>(new Container(std::move(parts)));
}

RunOutcome Executor::Run(const ContainerSpec& container, const ProcessSpec& process, ProcessIo io,
                         const CancelToken& cancel) {
  StatusOr<std::unique_ptr<Container>> started = Start(container, process, std::move(io), cancel);
  if (started.ok()) {
    return (*started)->first().Wait(cancel);
  }
  RunOutcome outcome;
  outcome.kind = absl::IsCancelled(started.status()) ? RunOutcome::Kind::kCancelled
                                                     : RunOutcome::Kind::kSetupFailed;
  outcome.step = SetupStep::kHelper;
  outcome.message = std::string(started.status().message());
  return outcome;
}

}  // namespace cairn::sandbox

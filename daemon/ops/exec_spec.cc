#include "daemon/ops/exec_spec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/llb/errors.h"
#include "runtime/base/go_match.h"
#include "runtime/base/go_quote.h"

namespace cairn::ops {
namespace {

// Both spellings, as programs look for either.
void AddProxy(std::vector<std::string>& env, const std::string& upper, const std::string& lower,
              const std::string& value) {
  if (!value.empty()) {
    env.push_back(absl::StrCat(upper, "=", value));
    env.push_back(absl::StrCat(lower, "=", value));
  }
}

StatusOr<sandbox::NetworkSpec> NetworkOf(pb::NetMode mode,
                                         const solver::Entitlements& entitlements) {
  sandbox::NetworkSpec network;
  switch (mode) {
    case pb::UNSET:
      return network;
    case pb::NONE:
      network.mode = sandbox::NetworkSpec::Mode::kNone;
      return network;
    case pb::HOST:
      RETURN_IF_ERROR(entitlements.Require(solver::Entitlement::kNetworkHost));
      network.mode = sandbox::NetworkSpec::Mode::kHost;
      network.host_entitlement =
          sandbox::HostNetworkEntitlement::GrantedBy("network.host of client and daemon");
      return network;
    default:
      return absl::InvalidArgumentError(absl::StrCat("invalid network mode ", int{mode}));
  }
}

// Why a signal or code of a step was not its own doing; empty when nothing is known.
std::string ReasonOf(const sandbox::RunOutcome& outcome) {
  switch (outcome.kind) {
    case sandbox::RunOutcome::Kind::kOomKilled:
      return "out of memory: the kernel killed the process; raise its memory limit or free memory "
             "on the host";
    case sandbox::RunOutcome::Kind::kSignalled:
      return absl::StrCat("killed by signal ", outcome.signal);
    default:
      return outcome.message;
  }
}

}  // namespace

void AddDefault(std::vector<std::string>& env, const std::string& name, const std::string& value) {
  const std::string prefix = absl::StrCat(name, "=");
  for (const std::string& entry : env) {
    if (absl::StartsWith(entry, prefix)) {
      return;
    }
  }
  env.push_back(prefix + value);
}

sandbox::ProcessSpec ProcessOf(const pb::Meta& meta, string_view os) {
  sandbox::ProcessSpec process;
  process.args.assign(meta.args().begin(), meta.args().end());
  process.env.assign(meta.env().begin(), meta.env().end());
  const pb::ProxyEnv& proxy = meta.proxy_env();
  AddProxy(process.env, "HTTP_PROXY", "http_proxy", proxy.http_proxy());
  AddProxy(process.env, "HTTPS_PROXY", "https_proxy", proxy.https_proxy());
  AddProxy(process.env, "FTP_PROXY", "ftp_proxy", proxy.ftp_proxy());
  AddProxy(process.env, "NO_PROXY", "no_proxy", proxy.no_proxy());
  AddProxy(process.env, "ALL_PROXY", "all_proxy", proxy.all_proxy());
  AddDefault(process.env, "PATH", os == "windows" ? kDefaultPathWindows : kDefaultPath);
  process.cwd = CleanPath(absl::StrCat("/", meta.cwd()));
  process.user = meta.user();
  return process;
}

StatusOr<sandbox::ContainerSpec> ContainerOf(const pb::ExecOp& exec,
                                             const pb::LinuxResources& resources,
                                             const solver::Entitlements& entitlements) {
  const pb::Meta& meta = exec.meta();
  sandbox::ContainerSpec container;
  container.keep_stub_parents = !meta.removemountstubsrecursive();
  container.hostname = meta.hostname();
  for (const pb::HostIP& host : meta.extrahosts()) {
    container.extra_hosts.push_back({.name = host.host(), .address = host.ip()});
  }
  ASSIGN_OR_RETURN(container.network, NetworkOf(exec.network(), entitlements));
  if (exec.security() == pb::INSECURE) {
    RETURN_IF_ERROR(entitlements.Require(solver::Entitlement::kSecurityInsecure));
    container.insecure =
        sandbox::InsecureEntitlement::GrantedBy("security.insecure of client and daemon");
  } else if (exec.security() != pb::SANDBOX) {
    return absl::InvalidArgumentError(absl::StrCat("invalid security mode ", int{exec.security()}));
  }
  for (const pb::Ulimit& ulimit : meta.ulimit()) {
    container.ulimits.push_back(
        {.name = ulimit.name(), .soft = ulimit.soft(), .hard = ulimit.hard()});
  }
  container.limits = {.memory_bytes = resources.memory(),
                      .memory_swap_bytes = resources.memoryswap(),
                      .cpu_shares = static_cast<int64_t>(resources.cpushares()),
                      .cpu_period_us = static_cast<int64_t>(resources.cpuperiod()),
                      .cpu_quota_us = resources.cpuquota(),
                      .cpuset_cpus = resources.cpusetcpus(),
                      .cpuset_mems = resources.cpusetmems()};
  container.cgroup_parent = meta.cgroupparent();
  return container;
}

Status CheckOutcome(const sandbox::RunOutcome& outcome, const pb::Meta& meta,
                    const std::optional<Platform>& platform) {
  using Kind = sandbox::RunOutcome::Kind;
  if (outcome.kind == Kind::kCancelled) {
    return absl::CancelledError("context canceled");
  }
  const auto& valid = meta.validexitcodes();
  const bool is_valid = valid.empty()
                            ? outcome.exit_code == 0
                            : std::count(valid.begin(), valid.end(), outcome.exit_code) > 0;
  if (outcome.kind == Kind::kExited && is_valid) {
    return absl::OkStatus();
  }
  std::string message = absl::StrCat("process ", GoQuote(absl::StrJoin(meta.args(), " ")),
                                     " did not complete successfully: ");
  const std::string reason = ReasonOf(outcome);
  if (outcome.kind == Kind::kSetupFailed) {
    absl::StrAppend(&message, reason);
  } else {
    absl::StrAppend(&message, "exit code: ", outcome.exit_code, reason.empty() ? "" : ": ", reason);
  }
  const Platform host = Platform::Host();
  if (platform && platform->architecture != host.architecture &&
      absl::StrContains(outcome.message, "exec format error")) {
    absl::StrAppend(&message, ": ", platform->ToString(), " cannot be emulated on ",
                    host.ToString(), ": install QEMU's binfmt_misc handlers");
  }
  Status status = outcome.step == sandbox::SetupStep::kCgroup
                      ? absl::FailedPreconditionError(message)
                      : absl::UnknownError(message);
  return outcome.kind == Kind::kSetupFailed
             ? status
             : llb::WithExitCode(std::move(status), static_cast<uint32_t>(outcome.exit_code));
}

}  // namespace cairn::ops

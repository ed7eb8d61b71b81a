#include "daemon/server/worker_settings.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/server/version.h"
#include "runtime/base/fd.h"
#include "runtime/base/random_id.h"
#include "runtime/fs/disk.h"

namespace cairn::server {
namespace {

constexpr char kLabelPrefix[] = "org.mobyproject.buildkit.worker.";
constexpr char kHelperProgram[] = "cairn-sandbox";

// The worker's id stays the same over restarts.
StatusOr<std::string> WorkerId(const std::string& root) {
  const std::string path = absl::StrCat(root, "/workerid");
  const auto known = ReadFile(path, 256);
  if (known.ok() && !known->empty()) {
    return *known;
  }
  const std::string id = RandomId();
  RETURN_IF_ERROR(WriteFileDurably(path, id));
  return id;
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

gc::PolicyRule ToRule(const GcRuleConfig& config, uint64_t disk_bytes) {
  gc::PolicyRule rule;
  rule.all = config.all;
  rule.filters = config.filters;
  rule.keep_duration = config.keep_duration;
  rule.reserved_space = config.reserved_space.Resolve(disk_bytes);
  rule.max_used_space = config.max_used_space.Resolve(disk_bytes);
  rule.min_free_space = config.min_free_space.Resolve(disk_bytes);
  return rule;
}

void Override(const DiskSpace& space, uint64_t disk_bytes, uint64_t* limit) {
  if (*limit != 0 && space != DiskSpace()) {
    *limit = space.Resolve(disk_bytes);
  }
}

StatusOr<std::string> FindHelper() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path beside = self.parent_path() / kHelperProgram;
  if (!error && access(beside.c_str(), X_OK) == 0) {
    return beside.string();
  }
  const char* path = std::getenv("PATH");
  for (const string_view directory : absl::StrSplit(path == nullptr ? "" : path, ':')) {
    const std::string candidate = absl::StrCat(directory, "/", kHelperProgram);
    if (access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
  }
  return absl::NotFoundError(
      absl::StrCat("there is no ", kHelperProgram, " beside this program or in PATH"));
}

}  // namespace

StatusOr<control::WorkerInfo> MakeWorkerInfo(const Config& config, const std::string& network,
                                             std::vector<gc::PolicyRule> policy) {
  control::WorkerInfo worker;
  ASSIGN_OR_RETURN(worker.id, WorkerId(config.root));
  worker.version = kVersion;
  worker.revision = kRevision;
  worker.gc_policy = std::move(policy);
  for (const std::string& text : config.worker.platforms) {
    for (const string_view one : absl::StrSplit(text, ',', absl::SkipEmpty())) {
      ASSIGN_OR_RETURN_IN(Platform platform, Platform::Parse(one), "worker platforms");
      worker.platforms.push_back(std::move(platform));
    }
  }
  if (worker.platforms.empty()) {
    worker.platforms = Platform::Native();
  }
  const auto label = [&worker](const char* key, std::string value) {
    worker.labels[absl::StrCat(kLabelPrefix, key)] = std::move(value);
  };
  label("executor", "oci");
  label("snapshotter", "overlayfs");
  label("hostname", HostName());
  label("network", network);
  label("oci.process-mode", config.worker.no_process_sandbox ? "no-sandbox" : "sandbox");
  label("selinux.enabled", config.worker.selinux ? "true" : "false");
  label("apparmor.profile", config.worker.apparmor_profile);
  for (const auto& entry : config.worker.labels) {
    worker.labels[entry.first] = entry.second;
  }
  return worker;
}

StatusOr<std::vector<gc::PolicyRule>> MakeGcPolicy(const Config& config) {
  std::vector<gc::PolicyRule> rules;
  if (!config.worker.gc) {
    return rules;
  }
  ASSIGN_OR_RETURN(const fs::DiskSpace disk, fs::ReadDiskSpace(config.root));
  for (const GcRuleConfig& rule : config.worker.gc_policy) {
    rules.push_back(ToRule(rule, disk.total));
  }
  if (!rules.empty()) {
    return rules;
  }
  rules = gc::DefaultPolicy(disk.total);
  for (gc::PolicyRule& rule : rules) {
    Override(config.worker.reserved_space, disk.total, &rule.reserved_space);
    Override(config.worker.max_used_space, disk.total, &rule.max_used_space);
    Override(config.worker.min_free_space, disk.total, &rule.min_free_space);
  }
  return rules;
}

registry::HostTable MakeHostTable(const Config& config) {
  std::map<std::string, registry::HostConfig> hosts;
  for (const auto& entry : config.registries) {
    const RegistryConfig& from = entry.second;
    registry::HostConfig host;
    host.mirrors = from.mirrors;
    host.http = from.plain_http;
    host.insecure = from.insecure.value_or(false);
    host.foreign_urls = from.foreign_urls;
    host.ca_files = from.ca;
    if (!from.key_pairs.empty()) {
      host.certificate_file = from.key_pairs.front().certificate;
      host.key_file = from.key_pairs.front().key;
    }
    hosts[entry.first] = std::move(host);
  }
  return registry::HostTable(std::move(hosts));
}

StatusOr<sandbox::ExecutorOptions> MakeExecutorOptions(const Config& config) {
  sandbox::ExecutorOptions options;
  options.default_pids_max = config.worker.pids_limit;
  options.state_directory = absl::StrCat(config.root, "/executor");
  ASSIGN_OR_RETURN(options.helper_program, FindHelper());
  if (!config.worker.default_cgroup_parent.empty()) {
    options.cgroup_parent = config.worker.default_cgroup_parent;
  }
  options.network.mode = config.worker.network_mode;
  if (!config.worker.cni_config_path.empty()) {
    options.network.cni_config = config.worker.cni_config_path;
  }
  if (!config.worker.cni_binary_dir.empty()) {
    options.network.cni_binary_directory = config.worker.cni_binary_dir;
  }
  options.network.cni_pool_size = config.worker.cni_pool_size;
  options.dns.nameservers = config.dns_nameservers;
  options.dns.search_domains = config.dns_search;
  options.dns.options = config.dns_options;
  options.apparmor_profile = config.worker.apparmor_profile;
  return options;
}

devices::DeviceRegistry::Options MakeDeviceOptions(const Config& config) {
  devices::DeviceRegistry::Options options;
  if (!config.cdi_disabled) {
    options.directories = config.cdi_spec_dirs;
  }
  options.auto_allowed.insert(config.cdi_auto_allowed.begin(), config.cdi_auto_allowed.end());
  return options;
}

StatusOr<solver::Entitlements> MakeAllowedEntitlements(const Config& config) {
  std::vector<std::string> names = config.insecure_entitlements;
  if (!config.cdi_disabled) {
    names.push_back("device");
  }
  return solver::Entitlements::Parse(names);
}

}  // namespace cairn::server

// The daemon's configuration: buildkitd.toml's keys, then the command line over them.
//
// A plain value, made once by main and constant after that. Keys that the daemon does not know are
// reported and otherwise ignored, so that an existing buildkitd.toml works.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace cairn::server {

// Bytes, or a part of the disk that the store is on.
struct DiskSpace {
  uint64_t bytes = 0;
  int percent = 0;  // counts when it is not 0
  uint64_t Resolve(uint64_t disk_bytes) const;
  friend bool operator==(const DiskSpace&, const DiskSpace&) = default;
};

struct TlsConfig {
  std::string certificate;  // files
  std::string key;
  std::string client_ca;  // when set, clients must show a certificate of it
  bool enabled() const { return !certificate.empty() || !key.empty() || !client_ca.empty(); }
};

// [[worker.oci.gcpolicy]]
struct GcRuleConfig {
  bool all = false;
  std::vector<std::string> filters;
  absl::Duration keep_duration = absl::ZeroDuration();
  DiskSpace reserved_space;
  DiskSpace max_used_space;
  DiskSpace min_free_space;
};

// [worker.oci]
struct WorkerConfig {
  std::map<std::string, std::string> labels;
  std::vector<std::string> platforms;
  bool rootless = false;
  bool no_process_sandbox = false;
  bool gc = true;
  DiskSpace reserved_space;  // 0: the default policy's
  DiskSpace max_used_space;
  DiskSpace min_free_space;
  std::vector<GcRuleConfig> gc_policy;
  std::string network_mode = "auto";  // auto, cni, bridge, host, none
  std::string cni_config_path;
  std::string cni_binary_dir;
  int cni_pool_size = 0;
  std::string bridge_name;
  std::string bridge_subnet;
  std::string default_cgroup_parent;
  std::string apparmor_profile;
  bool selinux = false;
  int max_parallelism = 0;  // 0: the number of processors
  // Processes and threads of one step at once; 0: as many as the machine lets it. Not a key of
  // BuildKit's.
  int64_t pids_limit = 32768;
};

// [registry."host"]
struct RegistryConfig {
  std::vector<std::string> mirrors;
  std::optional<bool> plain_http;
  std::optional<bool> insecure;
  bool foreign_urls = false;  // not a key of BuildKit's
  std::vector<std::string> ca;
  struct KeyPair {
    std::string key;
    std::string certificate;
  };
  std::vector<KeyPair> key_pairs;
  std::vector<std::string> tls_config_dirs;
};

// [frontend."name"]
struct FrontendConfig {
  bool enabled = true;
  std::vector<std::string> allowed_repositories;
};

struct Config {
  std::string root = "/var/lib/cairn";
  bool debug = false;
  bool trace = false;
  std::vector<std::string> insecure_entitlements;
  std::string provenance_env_dir;

  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;

  std::vector<std::string> addresses = {"unix:///run/cairn/cairnd.sock"};
  std::string debug_address;
  int uid = -1;  // owner of unix sockets; -1: the daemon's own
  int gid = -1;
  TlsConfig tls;

  WorkerConfig worker;
  std::map<std::string, RegistryConfig> registries;
  std::map<std::string, FrontendConfig> frontends;

  std::vector<std::string> dns_nameservers;
  std::vector<std::string> dns_options;
  std::vector<std::string> dns_search;

  absl::Duration history_max_age = absl::Hours(48);
  int64_t history_max_entries = 50;

  std::vector<std::string> cdi_spec_dirs = {"/etc/cdi", "/var/run/cdi", "/etc/buildkit/cdi"};
  std::vector<std::string> cdi_auto_allowed;  // devices and kinds that every build may have
  bool cdi_disabled = false;
};

// Reads the TOML `text` over `config`. A syntax error or a value of the wrong kind is
// kInvalidArgument with the line; keys nobody knows are added to `unknown` ("worker.oci.gcx").
Status ReadToml(const std::string& text, Config* config, std::vector<std::string>* unknown);

// "10GB", "512MiB", "80%", or bytes.
StatusOr<DiskSpace> ParseDiskSpace(const std::string& text);
// Go's form ("48h30m"), or seconds.
StatusOr<absl::Duration> ParseConfigDuration(const std::string& text);

}  // namespace cairn::server

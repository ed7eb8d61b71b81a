#include "daemon/server/flags.h"

#include <grp.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/server/version.h"
#include "runtime/base/fd.h"

namespace cairn::server {
namespace {

constexpr char kDefaultConfigFile[] = "/etc/cairn/cairnd.toml";
constexpr uint64_t kMaxConfigBytes = 1 << 20;

// What was given on the command line; absent values leave the file's.
struct Flags {
  std::string config_file;
  bool debug = false;
  bool trace = false;
  std::string root;
  std::vector<std::string> addresses;
  std::string log_format;
  std::string log_level;
  std::string group;
  std::string debug_address;
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_ca;
  std::vector<std::string> entitlements;
  bool rootless = false;
  std::vector<std::string> labels;
  std::vector<std::string> platforms;
  std::string network;
  int max_parallelism = -1;
  std::string gc;
  std::string gc_keep;
  std::string cni_config;
  std::string cni_binaries;
  int cni_pool = -1;
  bool no_process_sandbox = false;
  std::vector<std::string> cdi_dirs;
  bool cdi_disabled = false;
  // Taken and not used: choices that BuildKit has and this daemon has not.
  std::vector<std::string> ignored;
};

void AddDaemonFlags(CLI::App& app, Flags& flags) {
  app.add_option("--config", flags.config_file, "Configuration file (TOML)");
  app.add_flag("--debug", flags.debug, "Log debug messages");
  app.add_flag("--trace", flags.trace, "Log even more");
  app.add_option("--root", flags.root, "Directory of the daemon's state");
  app.add_option("--addr", flags.addresses,
                 "Address to listen on: unix://PATH, tcp://HOST:PORT or fd:// (repeatable)");
  app.add_option("--log-format", flags.log_format, "text or json");
  app.add_option("--log-level", flags.log_level, "trace, debug, info, warn or error")
      ->envname("BUILDKITD_LOG_LEVEL");
  app.add_option("--group", flags.group, "Group that owns unix sockets");
  app.add_option("--debugaddr", flags.debug_address, "Address of the debug listener")
      ->envname("BUILDKITD_DEBUGADDR");
  app.add_option("--tlscert", flags.tls_certificate, "Certificate file");
  app.add_option("--tlskey", flags.tls_key, "Key file");
  app.add_option("--tlscacert", flags.tls_ca, "CA that clients' certificates must come from");
  app.add_option("--allow-insecure-entitlement", flags.entitlements,
                 "Allow network.host, security.insecure or device (repeatable)");
  app.add_flag("--rootless", flags.rootless, "Run without root privileges");
  app.add_option("--cdi-spec-dir", flags.cdi_dirs, "Directory of CDI specifications (repeatable)");
  app.add_flag("--cdi-disabled", flags.cdi_disabled, "Do not offer CDI devices");
}

void AddWorkerFlags(CLI::App& app, Flags& flags) {
  app.add_option("--oci-worker-labels", flags.labels, "Labels, KEY=VALUE[,KEY=VALUE...]");
  app.add_option("--oci-worker-platform", flags.platforms, "Platforms to offer");
  app.add_option("--oci-worker-net", flags.network, "auto, cni, bridge, host or none");
  app.add_option("--oci-max-parallelism", flags.max_parallelism, "Processes of steps at once");
  app.add_option("--oci-worker-gc", flags.gc, "Collect garbage: true or false");
  app.add_option("--oci-worker-gc-keepstorage", flags.gc_keep, "Space that is never collected");
  app.add_option("--oci-cni-config-path", flags.cni_config, "CNI configuration file");
  app.add_option("--oci-cni-binary-dir", flags.cni_binaries, "CNI plugin directory");
  app.add_option("--oci-cni-pool-size", flags.cni_pool, "Networks kept ready");
  app.add_flag("--oci-worker-no-process-sandbox", flags.no_process_sandbox,
               "Steps share the daemon's process namespace");
  app.add_flag("--oci-worker-rootless", flags.rootless, "Same as --rootless");
  for (const char* name :
       {"--oci-worker", "--oci-worker-snapshotter", "--oci-worker-proxy-snapshotter-path",
        "--oci-worker-binary", "--oci-worker-apparmor-profile", "--oci-worker-selinux",
        "--containerd-worker", "--otel-socket-path", "--proxy-network", "--save-cache-debug"}) {
    app.add_option(name, flags.ignored, "Accepted and ignored")->expected(0, 1)->group("");
  }
}

Status ApplyLabels(const std::vector<std::string>& lists, Config* config) {
  for (const std::string& list : lists) {
    for (const string_view label : absl::StrSplit(list, ',', absl::SkipEmpty())) {
      const std::vector<std::string> parts = absl::StrSplit(label, absl::MaxSplits('=', 1));
      if (parts.size() != 2) {
        return absl::InvalidArgumentError(absl::StrCat("label \"", label, "\": write KEY=VALUE"));
      }
      config->worker.labels[parts[0]] = parts[1];
    }
  }
  return absl::OkStatus();
}

Status ApplyGroup(const std::string& name, Config* config) {
  if (name.empty()) {
    return absl::OkStatus();
  }
  if (absl::SimpleAtoi(name, &config->gid)) {
    return absl::OkStatus();
  }
  group entry = {};
  group* found = nullptr;
  char buffer[4096];
  if (getgrnam_r(name.c_str(), &entry, buffer, sizeof buffer, &found) != 0 || found == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("there is no group \"", name, "\""));
  }
  config->gid = static_cast<int>(entry.gr_gid);
  return absl::OkStatus();
}

void SetIfGiven(const std::string& value, std::string* out) {
  if (!value.empty()) {
    *out = value;
  }
}

template <typename T>
void SetIfGiven(const std::vector<T>& value, std::vector<T>* out) {
  if (!value.empty()) {
    *out = value;
  }
}

Status ApplyWorker(const Flags& flags, Config* config) {
  RETURN_IF_ERROR(ApplyLabels(flags.labels, config));
  SetIfGiven(flags.platforms, &config->worker.platforms);
  SetIfGiven(flags.network, &config->worker.network_mode);
  SetIfGiven(flags.cni_config, &config->worker.cni_config_path);
  SetIfGiven(flags.cni_binaries, &config->worker.cni_binary_dir);
  if (flags.max_parallelism >= 0) {
    config->worker.max_parallelism = flags.max_parallelism;
  }
  if (flags.cni_pool >= 0) {
    config->worker.cni_pool_size = flags.cni_pool;
  }
  if (!flags.gc.empty() && !absl::SimpleAtob(flags.gc, &config->worker.gc)) {
    return absl::InvalidArgumentError("--oci-worker-gc must be true or false");
  }
  if (!flags.gc_keep.empty()) {
    ASSIGN_OR_RETURN(config->worker.reserved_space, ParseDiskSpace(flags.gc_keep));
  }
  config->worker.rootless = config->worker.rootless || flags.rootless;
  config->worker.no_process_sandbox = config->worker.no_process_sandbox || flags.no_process_sandbox;
  return absl::OkStatus();
}

Status Apply(const Flags& flags, Config* config) {
  config->debug = config->debug || flags.debug;
  config->trace = config->trace || flags.trace;
  SetIfGiven(flags.root, &config->root);
  SetIfGiven(flags.addresses, &config->addresses);
  SetIfGiven(flags.debug_address, &config->debug_address);
  SetIfGiven(flags.tls_certificate, &config->tls.certificate);
  SetIfGiven(flags.tls_key, &config->tls.key);
  SetIfGiven(flags.tls_ca, &config->tls.client_ca);
  SetIfGiven(flags.entitlements, &config->insecure_entitlements);
  SetIfGiven(flags.cdi_dirs, &config->cdi_spec_dirs);
  config->cdi_disabled = config->cdi_disabled || flags.cdi_disabled;
  RETURN_IF_ERROR(ApplyGroup(flags.group, config));
  if (!flags.log_format.empty()) {
    config->log_format = flags.log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  }
  if (!flags.log_level.empty()) {
    ASSIGN_OR_RETURN(config->log_level, ParseLogLevel(flags.log_level));
  } else if (config->trace) {
    config->log_level = LogLevel::kTrace;
  } else if (config->debug) {
    config->log_level = LogLevel::kDebug;
  }
  return ApplyWorker(flags, config);
}

}  // namespace

StatusOr<StartRequest> ReadCommandLine(int argc, const char* const* argv) {
  Flags flags;
  StartRequest request;
  CLI::App app("cairnd builds container images for its clients", "cairnd");
  app.set_version_flag("--version,-v", absl::StrCat("cairnd ", kVersion, " ", kRevision));
  AddDaemonFlags(app, flags);
  AddWorkerFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    request.print = app.help();
    return request;
  } catch (const CLI::CallForVersion&) {
    request.print = absl::StrCat("cairnd ", kVersion, " ", kRevision, "\n");
    return request;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  const bool named = !flags.config_file.empty();
  const std::string file = named ? flags.config_file : kDefaultConfigFile;
  if (named || access(file.c_str(), R_OK) == 0) {
    ASSIGN_OR_RETURN_IN(const std::string text, ReadFile(file, kMaxConfigBytes),
                        absl::StrCat("read the configuration ", file));
    RETURN_IF_ERROR_IN(ReadToml(text, &request.config, &request.unknown_keys), file);
  }
  RETURN_IF_ERROR(Apply(flags, &request.config));
  return request;
}

}  // namespace cairn::server

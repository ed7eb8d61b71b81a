// ReadToml: which key of buildkitd.toml goes where.
#include <toml++/toml.h>

#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/server/config.h"

namespace cairn::server {
namespace {

std::string At(const toml::node& node) {
  return absl::StrCat("line ", static_cast<int>(node.source().begin.line));
}

Status WrongKind(const std::string& key, const toml::node& node, string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat(At(node), ": ", key, " must be ", wanted));
}

// One table of the file: reads the keys it is asked for and remembers which nobody asked for.
class Section {
 public:
  Section(const toml::table& table, std::string path, std::vector<std::string>* unknown)
      : table_(table), path_(std::move(path)), unknown_(unknown) {}

  Status Read(const std::string& key, bool* out) { return ReadAs<bool>(key, "true or false", out); }
  Status Read(const std::string& key, std::string* out) { return ReadAs(key, "a string", out); }
  Status Read(const std::string& key, int64_t* out) { return ReadAs(key, "a number", out); }
  Status Read(const std::string& key, int* out) {
    int64_t value = *out;
    RETURN_IF_ERROR(Read(key, &value));
    *out = static_cast<int>(value);
    return absl::OkStatus();
  }
  Status Read(const std::string& key, std::optional<bool>* out) {
    if (table_.contains(key)) {
      bool value = false;
      RETURN_IF_ERROR(Read(key, &value));
      *out = value;
    }
    return absl::OkStatus();
  }

  // A string or a number, as its text.
  Status ReadText(const std::string& key, const std::function<Status(const std::string&)>& use) {
    const toml::node* node = Take(key);
    if (node == nullptr) {
      return absl::OkStatus();
    }
    if (const auto text = node->value_exact<std::string>()) {
      return Use(key, *node, use(*text));
    }
    if (const auto number = node->value_exact<int64_t>()) {
      return Use(key, *node, use(absl::StrCat(*number)));
    }
    return WrongKind(key, *node, "a string or a number");
  }
  Status Read(const std::string& key, DiskSpace* out) {
    return ReadText(key, [out](const std::string& text) -> Status {
      ASSIGN_OR_RETURN(*out, ParseDiskSpace(text));
      return absl::OkStatus();
    });
  }
  Status Read(const std::string& key, absl::Duration* out) {
    return ReadText(key, [out](const std::string& text) -> Status {
      ASSIGN_OR_RETURN(*out, ParseConfigDuration(text));
      return absl::OkStatus();
    });
  }

  Status Read(const std::string& key, std::vector<std::string>* out) {
    const toml::node* node = Take(key);
    if (node == nullptr) {
      return absl::OkStatus();
    }
    const toml::array* array = node->as_array();
    if (array == nullptr) {
      return WrongKind(key, *node, "a list of strings");
    }
    out->clear();
    for (const toml::node& element : *array) {
      const auto text = element.value_exact<std::string>();
      if (!text) {
        return WrongKind(key, element, "a list of strings");
      }
      out->push_back(*text);
    }
    return absl::OkStatus();
  }

  Status Read(const std::string& key, std::map<std::string, std::string>* out) {
    return ReadTable(key, [out](Section& section) -> Status {
      for (const std::string& name : section.Keys()) {
        RETURN_IF_ERROR(section.Read(name, &(*out)[name]));
      }
      return absl::OkStatus();
    });
  }

  // The table `key`, when there is one.
  Status ReadTable(const std::string& key, const std::function<Status(Section&)>& read) {
    const toml::node* node = Take(key);
    if (node == nullptr) {
      return absl::OkStatus();
    }
    if (node->as_table() == nullptr) {
      return WrongKind(key, *node, "a table");
    }
    return ReadOne(*node->as_table(), PathOf(key), read);
  }

  // Each table of the array `key`.
  Status ReadTables(const std::string& key, const std::function<Status(Section&)>& read) {
    const toml::node* node = Take(key);
    if (node == nullptr) {
      return absl::OkStatus();
    }
    const toml::array* array = node->as_array();
    if (array == nullptr) {
      return WrongKind(key, *node, "an array of tables");
    }
    for (const toml::node& element : *array) {
      if (element.as_table() == nullptr) {
        return WrongKind(key, element, "an array of tables");
      }
      RETURN_IF_ERROR(ReadOne(*element.as_table(), PathOf(key), read));
    }
    return absl::OkStatus();
  }

  // Accepts `key`, whatever it is: something that this daemon has no use for.
  void Skip(const std::string& key) { Take(key); }

  std::vector<std::string> Keys() const {
    std::vector<std::string> keys;
    for (const auto& entry : table_) {
      keys.emplace_back(entry.first.str());
    }
    return keys;
  }

  void ReportUnknown() const {
    for (const std::string& key : Keys()) {
      if (taken_.count(key) == 0) {
        unknown_->push_back(PathOf(key));
      }
    }
  }

 private:
  const toml::node* Take(const std::string& key) {
    taken_.emplace(key, true);
    return table_.get(key);
  }

  std::string PathOf(const std::string& key) const {
    return path_.empty() ? key : absl::StrCat(path_, ".", key);
  }

  template <typename T>
  Status ReadAs(const std::string& key, string_view wanted, T* out) {
    const toml::node* node = Take(key);
    if (node == nullptr) {
      return absl::OkStatus();
    }
    const auto value = node->value_exact<T>();
    if (!value) {
      return WrongKind(PathOf(key), *node, wanted);
    }
    *out = *value;
    return absl::OkStatus();
  }

  Status Use(const std::string& key, const toml::node& node, const Status& status) const {
    return Annotate(status, absl::StrCat(At(node), ": ", PathOf(key)));
  }

  Status ReadOne(const toml::table& table, const std::string& path,
                 const std::function<Status(Section&)>& read) {
    Section section(table, path, unknown_);
    RETURN_IF_ERROR(read(section));
    section.ReportUnknown();
    return absl::OkStatus();
  }

  const toml::table& table_;
  const std::string path_;
  std::vector<std::string>* const unknown_;
  std::map<std::string, bool> taken_;
};

Status ReadLog(Section& section, Config* config) {
  std::string format;
  RETURN_IF_ERROR(section.Read("format", &format));
  if (format == "json") {
    config->log_format = LogFormat::kJson;
  }
  return section.ReadText("level", [config](const std::string& level) -> Status {
    ASSIGN_OR_RETURN(config->log_level, ParseLogLevel(level));
    return absl::OkStatus();
  });
}

Status ReadGrpc(Section& section, Config* config) {
  RETURN_IF_ERROR(section.Read("address", &config->addresses));
  RETURN_IF_ERROR(section.Read("debugAddress", &config->debug_address));
  RETURN_IF_ERROR(section.Read("uid", &config->uid));
  RETURN_IF_ERROR(section.Read("gid", &config->gid));
  section.Skip("securityDescriptor");
  return section.ReadTable("tls", [config](Section& tls) -> Status {
    RETURN_IF_ERROR(tls.Read("cert", &config->tls.certificate));
    RETURN_IF_ERROR(tls.Read("key", &config->tls.key));
    return tls.Read("ca", &config->tls.client_ca);
  });
}

Status ReadGcRule(Section& section, GcRuleConfig* rule) {
  RETURN_IF_ERROR(section.Read("all", &rule->all));
  RETURN_IF_ERROR(section.Read("filters", &rule->filters));
  RETURN_IF_ERROR(section.Read("keepDuration", &rule->keep_duration));
  // The key's old name.
  RETURN_IF_ERROR(section.Read("keepBytes", &rule->reserved_space));
  RETURN_IF_ERROR(section.Read("reservedSpace", &rule->reserved_space));
  RETURN_IF_ERROR(section.Read("maxUsedSpace", &rule->max_used_space));
  return section.Read("minFreeSpace", &rule->min_free_space);
}

Status ReadWorkerNetwork(Section& section, WorkerConfig* worker) {
  RETURN_IF_ERROR(section.Read("networkMode", &worker->network_mode));
  RETURN_IF_ERROR(section.Read("cniConfigPath", &worker->cni_config_path));
  RETURN_IF_ERROR(section.Read("cniBinaryPath", &worker->cni_binary_dir));
  RETURN_IF_ERROR(section.Read("cniPoolSize", &worker->cni_pool_size));
  RETURN_IF_ERROR(section.Read("bridgeName", &worker->bridge_name));
  return section.Read("bridgeSubnet", &worker->bridge_subnet);
}

Status ReadWorker(Section& section, WorkerConfig* worker) {
  for (const char* key : {"enabled", "snapshotter", "binary", "proxySnapshotterPath",
                          "userRemapUnsupported", "stargzSnapshotter"}) {
    section.Skip(key);
  }
  RETURN_IF_ERROR(section.Read("labels", &worker->labels));
  RETURN_IF_ERROR(section.Read("platforms", &worker->platforms));
  RETURN_IF_ERROR(section.Read("rootless", &worker->rootless));
  RETURN_IF_ERROR(section.Read("noProcessSandbox", &worker->no_process_sandbox));
  RETURN_IF_ERROR(section.Read("gc", &worker->gc));
  RETURN_IF_ERROR(section.Read("gckeepstorage", &worker->reserved_space));
  RETURN_IF_ERROR(section.Read("reservedSpace", &worker->reserved_space));
  RETURN_IF_ERROR(section.Read("maxUsedSpace", &worker->max_used_space));
  RETURN_IF_ERROR(section.Read("minFreeSpace", &worker->min_free_space));
  RETURN_IF_ERROR(section.ReadTables("gcpolicy", [worker](Section& rule) {
    worker->gc_policy.emplace_back();
    return ReadGcRule(rule, &worker->gc_policy.back());
  }));
  RETURN_IF_ERROR(ReadWorkerNetwork(section, worker));
  RETURN_IF_ERROR(section.Read("defaultCgroupParent", &worker->default_cgroup_parent));
  RETURN_IF_ERROR(section.Read("apparmor-profile", &worker->apparmor_profile));
  RETURN_IF_ERROR(section.Read("selinux", &worker->selinux));
  RETURN_IF_ERROR(section.Read("max-parallelism", &worker->max_parallelism));
  return section.ReadText("pids-limit", [worker](const std::string& text) -> Status {
    const bool is_number = absl::SimpleAtoi(text, &worker->pids_limit);
    return is_number && worker->pids_limit >= 0
               ? absl::OkStatus()
               : absl::InvalidArgumentError(
                     absl::StrCat("\"", text, "\": want a number of processes, or 0 for no limit"));
  });
}

Status ReadRegistry(Section& section, RegistryConfig* registry) {
  RETURN_IF_ERROR(section.Read("mirrors", &registry->mirrors));
  RETURN_IF_ERROR(section.Read("http", &registry->plain_http));
  RETURN_IF_ERROR(section.Read("insecure", &registry->insecure));
  RETURN_IF_ERROR(section.Read("foreignURLs", &registry->foreign_urls));
  RETURN_IF_ERROR(section.Read("ca", &registry->ca));
  RETURN_IF_ERROR(section.Read("tlsconfigdir", &registry->tls_config_dirs));
  return section.ReadTables("keypair", [registry](Section& pair) -> Status {
    RegistryConfig::KeyPair files;
    RETURN_IF_ERROR(pair.Read("key", &files.key));
    RETURN_IF_ERROR(pair.Read("cert", &files.certificate));
    registry->key_pairs.push_back(std::move(files));
    return absl::OkStatus();
  });
}

Status ReadFrontend(Section& section, FrontendConfig* frontend) {
  RETURN_IF_ERROR(section.Read("enabled", &frontend->enabled));
  return section.Read("allowedRepositories", &frontend->allowed_repositories);
}

// A table of tables, by name.
template <typename T>
Status ReadNamed(Section& section, Status (*read)(Section&, T*), std::map<std::string, T>* out) {
  for (const std::string& name : section.Keys()) {
    RETURN_IF_ERROR(section.ReadTable(
        name, [read, out, &name](Section& one) { return read(one, &(*out)[name]); }));
  }
  return absl::OkStatus();
}

Status ReadTables(Section& top, Config* config) {
  RETURN_IF_ERROR(top.ReadTable("log", [config](Section& s) { return ReadLog(s, config); }));
  RETURN_IF_ERROR(top.ReadTable("grpc", [config](Section& s) { return ReadGrpc(s, config); }));
  RETURN_IF_ERROR(top.ReadTable("worker", [config](Section& workers) -> Status {
    workers.Skip("containerd");
    return workers.ReadTable("oci",
                             [config](Section& s) { return ReadWorker(s, &config->worker); });
  }));
  RETURN_IF_ERROR(top.ReadTable("registry", [config](Section& s) {
    return ReadNamed(s, &ReadRegistry, &config->registries);
  }));
  RETURN_IF_ERROR(top.ReadTable("frontend", [config](Section& s) {
    return ReadNamed(s, &ReadFrontend, &config->frontends);
  }));
  RETURN_IF_ERROR(top.ReadTable("dns", [config](Section& s) -> Status {
    RETURN_IF_ERROR(s.Read("nameservers", &config->dns_nameservers));
    RETURN_IF_ERROR(s.Read("options", &config->dns_options));
    return s.Read("searchDomains", &config->dns_search);
  }));
  RETURN_IF_ERROR(top.ReadTable("cdi", [config](Section& s) -> Status {
    RETURN_IF_ERROR(s.Read("autoAllowed", &config->cdi_auto_allowed));
    RETURN_IF_ERROR(s.Read("disabled", &config->cdi_disabled));
    return s.Read("specDirs", &config->cdi_spec_dirs);
  }));
  return top.ReadTable("history", [config](Section& s) -> Status {
    RETURN_IF_ERROR(s.Read("maxAge", &config->history_max_age));
    return s.Read("maxEntries", &config->history_max_entries);
  });
}

Status ReadTop(Section& top, Config* config) {
  RETURN_IF_ERROR(top.Read("debug", &config->debug));
  RETURN_IF_ERROR(top.Read("trace", &config->trace));
  RETURN_IF_ERROR(top.Read("root", &config->root));
  RETURN_IF_ERROR(top.Read("insecure-entitlements", &config->insecure_entitlements));
  RETURN_IF_ERROR(top.Read("provenanceEnvDir", &config->provenance_env_dir));
  for (const char* key : {"proxyNetwork", "otel", "system", "cache"}) {
    top.Skip(key);
  }
  return ReadTables(top, config);
}

}  // namespace

Status ReadToml(const std::string& text, Config* config, std::vector<std::string>* unknown) {
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(absl::StrCat("line ",
                                                   static_cast<int>(error.source().begin.line),
                                                   ": ", std::string(error.description())));
  }
  Section top(table, "", unknown);
  RETURN_IF_ERROR(ReadTop(top, config));
  top.ReportUnknown();
  return absl::OkStatus();
}

}  // namespace cairn::server

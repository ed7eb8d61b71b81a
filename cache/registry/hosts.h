// Where a registry's host is reached: mirrors, schemes and certificates (buildkitd.toml's
// [registry."host"] sections). Immutable and thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/net/http_message.h"

namespace cairn::registry {

struct HostConfig {
  // "host[:port][/path]", tried in order before the host itself, for pulling only.
  std::vector<std::string> mirrors;
  // Plain HTTP; unset means: only for localhost and 127.0.0.0/8.
  std::optional<bool> http;
  // Accept any certificate. Together with `http`, HTTPS is tried first.
  bool insecure = false;
  // Whether layers that the registry does not hold are fetched from where its images say that they
  // are, which is anywhere.
  bool foreign_urls = false;
  std::vector<std::string> ca_files;
  std::string certificate_file;
  std::string key_file;
};

// One address that may serve a host's images.
struct Endpoint {
  net::Url base;  // ".../v2"
  net::TlsOptions tls;
  // Set for a mirror: the registry that it stands for (the "ns" query parameter).
  std::string mirrored_host;
  // The host that credentials are asked for.
  std::string credential_host;
  // Another scheme of the same host follows in the list: its failure to connect is no verdict.
  bool has_fallback = false;
};

class HostTable {
 public:
  HostTable() = default;
  explicit HostTable(std::map<std::string, HostConfig> hosts) : hosts_(std::move(hosts)) {}

  // The endpoints of `host`, to be tried in order; mirrors only when `pulling`. `insecure` allows
  // any certificate and plain HTTP for this call. kInvalidArgument for a host that is none.
  StatusOr<std::vector<Endpoint>> EndpointsOf(const std::string& host, bool pulling,
                                              bool insecure) const;
  bool AllowsForeignUrls(const std::string& host) const;

 private:
  std::map<std::string, HostConfig> hosts_;
};

}  // namespace cairn::registry

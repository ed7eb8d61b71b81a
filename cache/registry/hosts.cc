#include "cache/registry/hosts.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn::registry {
namespace {

// Adds the endpoints of one address. `path` begins with '/' or is empty.
Status AddEndpoints(const std::string& address, const std::string& path, HostConfig config,
                    bool insecure, const std::string& mirrored_host,
                    std::vector<Endpoint>& endpoints) {
  if (insecure) {
    config.insecure = true;
    config.http = true;
  }
  ASSIGN_OR_RETURN_IN(net::Url url, net::Url::Parse(absl::StrCat("https://", address, "/v2", path)),
                      absl::StrCat("registry host ", address));
  Endpoint endpoint;
  endpoint.base = url;
  endpoint.tls = {.insecure = config.insecure,
                  .ca_files = config.ca_files,
                  .certificate_file = config.certificate_file,
                  .key_file = config.key_file};
  endpoint.mirrored_host = mirrored_host;
  endpoint.credential_host = address;
  const bool http = config.http.value_or(url.IsLoopback());
  if (!http || config.insecure) {
    endpoint.has_fallback = http;
    endpoints.push_back(endpoint);
  }
  if (http) {
    ASSIGN_OR_RETURN(endpoint.base, net::Url::Parse(absl::StrCat("http://", address, "/v2", path)));
    endpoint.has_fallback = false;
    endpoints.push_back(std::move(endpoint));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::vector<Endpoint>> HostTable::EndpointsOf(const std::string& host, bool pulling,
                                                       bool insecure) const {
  std::vector<Endpoint> endpoints;
  const auto find = [this](const std::string& name) {
    const auto found = hosts_.find(name);
    return found == hosts_.end() ? HostConfig() : found->second;
  };
  const HostConfig config = find(host);
  if (pulling) {
    for (const std::string& text : config.mirrors) {
      string_view mirror = text;
      absl::ConsumePrefix(&mirror, "https://");
      mirror = absl::StripSuffix(mirror, "/");
      const size_t slash = mirror.find('/');
      const std::string address(mirror.substr(0, slash));
      const std::string path(slash == string_view::npos ? "" : mirror.substr(slash));
      RETURN_IF_ERROR(AddEndpoints(address, path, find(address), false, host, endpoints));
    }
  }
  // The registry of docker.io answers at another name.
  const std::string address = host == "docker.io" ? "registry-1.docker.io" : host;
  RETURN_IF_ERROR(AddEndpoints(address, "", config, insecure, "", endpoints));
  return endpoints;
}

bool HostTable::AllowsForeignUrls(const std::string& host) const {
  const auto found = hosts_.find(host);
  return found != hosts_.end() && found->second.foreign_urls;
}

}  // namespace cairn::registry

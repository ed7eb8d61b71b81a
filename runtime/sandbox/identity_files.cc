#include "runtime/sandbox/identity_files.h"

#include <arpa/inet.h>

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "runtime/base/fd.h"

namespace cairn::sandbox {
namespace {

constexpr const char* kFallbackNameservers[] = {"8.8.8.8", "8.8.4.4", "2001:4860:4860::8888",
                                                "2001:4860:4860::8844"};
constexpr char kResolvedStub[] = "127.0.0.53";

struct ResolverConfig {
  std::vector<std::string> nameservers;
  std::vector<std::string> search;
  std::vector<std::string> options;
  std::vector<std::string> other;
};

// An IPv6 address may carry a zone: fe80::1%eth0.
bool IsAddress(const std::string& text, bool& loopback) {
  in_addr v4 = {};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    loopback = (ntohl(v4.s_addr) >> 24) == 127;
    return true;
  }
  in6_addr v6 = {};
  const std::string address = text.substr(0, text.find('%'));
  if (::inet_pton(AF_INET6, address.c_str(), &v6) == 1) {
    loopback = IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
    return true;
  }
  return false;
}

void ParseLine(const std::string& line, ResolverConfig& config) {
  const std::vector<std::string> fields =
      absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  if (fields.empty() || fields[0][0] == '#' || fields[0][0] == ';') {
    return;
  }
  const std::vector<std::string> values(fields.begin() + 1, fields.end());
  bool loopback = false;
  if (fields[0] == "nameserver") {
    if (!values.empty() && IsAddress(values[0], loopback)) {
      config.nameservers.push_back(values[0]);
    }
  } else if (fields[0] == "domain" || fields[0] == "search") {
    if (!values.empty()) {
      config.search = values;
    }
  } else if (fields[0] == "options") {
    config.options.insert(config.options.end(), values.begin(), values.end());
  } else {
    config.other.push_back(line);
  }
}

ResolverConfig LoadResolver(const std::string& path) {
  ResolverConfig config;
  const StatusOr<std::string> text = ReadFile(path);
  if (text.ok()) {
    for (const auto line : absl::StrSplit(*text, '\n')) {
      ParseLine(std::string(line), config);
    }
  }
  return config;
}

void DropLoopback(std::vector<std::string>& nameservers) {
  std::vector<std::string> kept;
  for (const std::string& nameserver : nameservers) {
    bool loopback = false;
    if (IsAddress(nameserver, loopback) && !loopback) {
      kept.push_back(nameserver);
    }
  }
  nameservers = kept;
}

}  // namespace

std::string MakeHostsFile(const std::string& hostname, const std::vector<ExtraHost>& extra) {
  std::string text =
      absl::StrCat("127.0.0.1\tlocalhost ", hostname.empty() ? kDefaultHostname : hostname.c_str(),
                   "\n::1\tlocalhost ip6-localhost ip6-loopback\n");
  for (const ExtraHost& host : extra) {
    absl::StrAppend(&text, host.address, "\t", host.name, "\n");
  }
  return text;
}

StatusOr<std::string> MakeResolverFile(const ResolverOptions& options) {
  ResolverConfig config = LoadResolver(options.host_file);
  if (!options.host_network && config.nameservers == std::vector<std::string>{kResolvedStub}) {
    config = LoadResolver(options.resolved_file);
  }
  const DnsConfig& dns = options.dns;
  for (const std::string& nameserver : dns.nameservers) {
    bool loopback = false;
    if (!IsAddress(nameserver, loopback)) {
      return absl::InvalidArgumentError(absl::StrCat("bad nameserver address ", nameserver));
    }
  }
  if (!dns.search_domains.empty()) {
    config.search = dns.search_domains;
  }
  if (!dns.options.empty()) {
    config.options = dns.options;
  }
  if (!dns.nameservers.empty()) {
    config.nameservers = dns.nameservers;
  } else {
    if (!options.host_network) {
      DropLoopback(config.nameservers);
    }
    if (config.nameservers.empty()) {
      config.nameservers.assign(std::begin(kFallbackNameservers), std::end(kFallbackNameservers));
    }
  }

  std::string text;
  for (const std::string& nameserver : config.nameservers) {
    absl::StrAppend(&text, "nameserver ", nameserver, "\n");
  }
  if (!config.search.empty()) {
    absl::StrAppend(&text, "search ", absl::StrJoin(config.search, " "), "\n");
  }
  if (!config.options.empty()) {
    absl::StrAppend(&text, "options ", absl::StrJoin(config.options, " "), "\n");
  }
  for (const std::string& line : config.other) {
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace cairn::sandbox

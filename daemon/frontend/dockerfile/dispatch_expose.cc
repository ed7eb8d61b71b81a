// EXPOSE: "[ip:][host:]port[-port][/proto]" words to "port/proto" keys of the image config.
#include <arpa/inet.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/dispatch_parts.h"
#include "daemon/frontend/dockerfile/lint_checks.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {
namespace {

constexpr int kMaxPort = 65535;

struct PortRange {
  int first = 0;
  int last = 0;
};

bool ParsePort(string_view text, int& port) {
  return absl::SimpleAtoi(text, &port) && port >= 0 && port <= kMaxPort;
}

bool ParseRange(string_view text, PortRange& range) {
  const size_t dash = text.find('-');
  if (dash == string_view::npos) {
    const bool is_valid = ParsePort(text, range.first);
    range.last = range.first;
    return is_valid;
  }
  return ParsePort(text.substr(0, dash), range.first) &&
         ParsePort(text.substr(dash + 1), range.last) && range.first <= range.last;
}

bool IsAddress(string_view text) {
  in6_addr address;
  const bool is_bracketed = absl::ConsumePrefix(&text, "[") && absl::ConsumeSuffix(&text, "]");
  const std::string plain(text);
  return inet_pton(AF_INET6, plain.c_str(), &address) == 1 ||
         (!is_bracketed && inet_pton(AF_INET, plain.c_str(), &address) == 1);
}

// The keys for one word.
StatusOr<std::vector<std::string>> ParseSpec(const Dispatched& d, const std::string& word) {
  std::vector<std::string> parts = absl::StrSplit(word, ':');
  const std::string target = parts.back();
  parts.pop_back();
  std::string host_port;
  if (!parts.empty()) {
    host_port = parts.back();
    parts.pop_back();
  }
  const std::string address = absl::StrJoin(parts, ":");

  const size_t slash = target.find('/');
  const std::string ports = target.substr(0, slash);
  std::string protocol = slash == std::string::npos ? "" : target.substr(slash + 1);
  if (ports.empty()) {
    return Error(absl::StrCat("invalid port: ", Quote(word), ": no port specified"));
  }
  if (protocol.empty()) {
    protocol = "tcp";
  }
  const std::string lower = absl::AsciiStrToLower(protocol);
  if (lower != "tcp" && lower != "udp" && lower != "sctp") {
    return Error(absl::StrCat("invalid port: ", Quote(word), ": invalid proto: ", protocol));
  }
  if (lower != protocol) {
    d.linter.Report(
        kExposeProtoCasing, d.command().location,
        absl::StrCat("Defined protocol '", word, "' in EXPOSE instruction should be lowercase"));
  }
  if (!address.empty() || !host_port.empty()) {
    d.linter.Report(kExposeInvalidFormat, d.command().location,
                    absl::StrCat("EXPOSE instruction should not define an IP address or host-port "
                                 "mapping, found '",
                                 word, "'"));
  }
  if (!address.empty() && !IsAddress(address)) {
    return Error(absl::StrCat("invalid IP address: ", address));
  }
  PortRange range;
  if (!ParseRange(ports, range)) {
    return Error(absl::StrCat("invalid containerPort: ", ports));
  }
  if (!host_port.empty()) {
    PortRange host;
    if (!ParseRange(host_port, host)) {
      return Error(absl::StrCat("invalid hostPort: ", host_port));
    }
    if (range.last - range.first != host.last - host.first && range.last != range.first) {
      return Error(absl::StrCat("invalid ranges specified for container and host Ports: ", ports,
                                " and ", host_port));
    }
  }
  std::vector<std::string> keys;
  for (int port = range.first; port <= range.last; ++port) {
    keys.push_back(absl::StrCat(port, "/", lower));
  }
  return keys;
}

}  // namespace

Status DispatchExpose(const Dispatched& d, const ExposeCommand& expose) {
  std::vector<std::string> keys;
  for (const std::string& port : expose.ports) {
    ASSIGN_OR_RETURN(const LexResult words, ExpandWord(port, d.stage.environment, d.context.lex));
    for (const std::string& word : words.words) {
      ASSIGN_OR_RETURN(const std::vector<std::string> parsed, ParseSpec(d, word));
      keys.insert(keys.end(), parsed.begin(), parsed.end());
    }
  }
  d.stage.image.exposed_ports.insert(keys.begin(), keys.end());
  AddHistory(d, absl::StrCat("EXPOSE [", absl::StrJoin(keys, " "), "]"), false, false);
  return absl::OkStatus();
}

}  // namespace cairn::dockerfile

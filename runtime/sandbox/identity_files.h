// The /etc/hosts and /etc/resolv.conf of a container, as text.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/sandbox/container_spec.h"

namespace cairn::sandbox {

// hosts(5): localhost and `hostname` on loopback, then `extra`, one line each.
std::string MakeHostsFile(const std::string& hostname, const std::vector<ExtraHost>& extra);

struct ResolverOptions {
  DnsConfig dns;
  // The container shares the host's network, where a nameserver on loopback can be reached.
  bool host_network = false;
  // The host's resolv.conf, and the one that systemd-resolved keeps with its real upstreams, used
  // when the first names nothing but its stub (127.0.0.53).
  std::string host_file = "/etc/resolv.conf";
  std::string resolved_file = "/run/systemd/resolve/resolv.conf";
};

// resolv.conf(5) made from the host's and `options.dns`. Without a nameserver that can be reached
// from the container, public ones (8.8.8.8, 8.8.4.4 and their IPv6 addresses) stand in.
// kInvalidArgument: a configured nameserver is not an address.
StatusOr<std::string> MakeResolverFile(const ResolverOptions& options);

}  // namespace cairn::sandbox

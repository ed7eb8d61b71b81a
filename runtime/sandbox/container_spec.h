// What a container is: its root, mounts, names, network, powers and limits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/sandbox/device_node.h"
#include "runtime/sandbox/entitlement.h"
#include "runtime/sandbox/mount_spec.h"

namespace cairn::sandbox {

inline constexpr char kDefaultHostname[] = "buildkitsandbox";

// Limits of the container as a whole. Zero and empty mean no limit.
struct ResourceLimits {
  int64_t memory_bytes = 0;
  // Memory and swap together; -1 is unlimited swap.
  int64_t memory_swap_bytes = 0;
  int64_t cpu_shares = 0;
  int64_t cpu_period_us = 0;
  int64_t cpu_quota_us = 0;
  std::string cpuset_cpus;
  std::string cpuset_mems;
  int64_t pids_max = 0;

  bool operator==(const ResourceLimits&) const = default;
};

// A resource limit of each process, by its lower-case name without "RLIMIT_": nofile, nproc, core.
// -1 is unlimited.
struct Ulimit {
  std::string name;
  int64_t soft = 0;
  int64_t hard = 0;
};

// Name resolution inside the container; what is empty is taken from the host's resolv.conf.
struct DnsConfig {
  std::vector<std::string> nameservers;
  std::vector<std::string> search_domains;
  std::vector<std::string> options;
};

struct ExtraHost {
  std::string name;
  std::string address;
};

struct NetworkSpec {
  enum class Mode {
    kDefault,  // what the daemon was configured with: CNI, or the host's
    kNone,     // loopback alone
    kHost,     // the host's; needs `host_entitlement`
  };
  Mode mode = Mode::kDefault;
  std::optional<HostNetworkEntitlement> host_entitlement;
};

struct ContainerSpec {
  RootSpec root;
  // Mounted in this order: parents before what lies inside them. A mount at a place that the
  // sandbox fills itself (/dev/shm, /etc/hosts, ...) takes that place. Nothing can be mounted on
  // or in /proc, /sys and /dev itself.
  std::vector<MountSpec> mounts;
  // Keep the directories that were made on the way to a mount point; the mount points themselves
  // are always taken away.
  bool keep_stub_parents = false;
  // Made in /dev before `mounts`, and let through the gate for devices.
  std::vector<DeviceNode> devices;

  // Empty means kDefaultHostname.
  std::string hostname;
  std::vector<ExtraHost> extra_hosts;
  DnsConfig dns;
  NetworkSpec network;

  // Present: the insecure mode.
  std::optional<InsecureEntitlement> insecure;
  std::vector<Ulimit> ulimits;
  ResourceLimits limits;
  // A cgroup that the container's own is made in; empty means the executor's.
  std::string cgroup_parent;
};

}  // namespace cairn::sandbox

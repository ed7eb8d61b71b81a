// What follows from the configuration and the machine: who the worker is, what it collects, where
// registries are and how steps are run.
#pragma once

#include "cache/gc/collector.h"
#include "cache/registry/hosts.h"
#include "daemon/control/worker_info.h"
#include "daemon/devices/device_registry.h"
#include "daemon/server/config.h"
#include "daemon/solver/entitlements.h"
#include "runtime/base/status.h"
#include "runtime/sandbox/executor.h"

namespace cairn::server {

// `network` is the executor's default network ("host", "cni"). The id is kept below config.root.
StatusOr<control::WorkerInfo> MakeWorkerInfo(const Config& config, const std::string& network,
                                             std::vector<gc::PolicyRule> policy);

// The configured rules, else the default ones with the configured limits.
StatusOr<std::vector<gc::PolicyRule>> MakeGcPolicy(const Config& config);

registry::HostTable MakeHostTable(const Config& config);

// Finds the helper program next to the daemon's own, else in PATH.
StatusOr<sandbox::ExecutorOptions> MakeExecutorOptions(const Config& config);

// No directories when devices are disabled.
devices::DeviceRegistry::Options MakeDeviceOptions(const Config& config);

// The configured ones, and "device" unless devices are disabled.
StatusOr<solver::Entitlements> MakeAllowedEntitlements(const Config& config);

}  // namespace cairn::server

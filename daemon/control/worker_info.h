// What the daemon says of itself: ListWorkers, Info, and the workers in the gateway's Ping.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cache/gc/collector.h"
#include "daemon/devices/device_catalog.h"
#include "proto/worker.pb.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"

namespace cairn::control {

// An immutable value.
struct WorkerInfo {
  std::string id;
  std::map<std::string, std::string> labels;
  std::vector<Platform> platforms;  // never empty; the native one first
  std::vector<gc::PolicyRule> gc_policy;
  std::string version;
  std::string revision;
};

// The version of the Dockerfile syntax that the built-in frontend implements.
string_view DockerfileVersion();

void EncodePlatform(const Platform& platform, pb::Platform* out);
Platform DecodePlatform(const pb::Platform& platform);
void EncodeVersion(const WorkerInfo& worker, moby::buildkit::v1::types::BuildkitVersion* out);
// With `brief` only what the gateway's Ping carries: id, labels and platforms.
void EncodeWorker(const WorkerInfo& worker, bool brief,
                  moby::buildkit::v1::types::WorkerRecord* out);

// Adds what the host offers to steps.
void EncodeDevices(const devices::DeviceCatalog& catalog,
                   moby::buildkit::v1::types::WorkerRecord* out);

// Whether `worker` passes containerd filters over "id" and "labels": entries are OR-ed, terms
// AND-ed. kInvalidArgument for an expression that is not one.
StatusOr<bool> MatchesWorker(const WorkerInfo& worker, const std::vector<std::string>& filters);

}  // namespace cairn::control

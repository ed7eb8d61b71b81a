// One build, from request to response: session, Solve and Status together.
//
// Build blocks; it is thread-safe in that several may run on one Connection.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "client/connection.h"
#include "client/session.h"
#include "proto/control.pb.h"
#include "runtime/base/cancel.h"

namespace cairn::client {

struct BuildRequest {
  std::string frontend = "dockerfile.v0";
  std::map<std::string, std::string> frontend_options;
  struct Output {
    std::string type;  // image, oci, docker, local, tar
    std::map<std::string, std::string> attributes;
  };
  std::vector<Output> outputs;
  std::vector<Output> cache_imports;
  std::vector<Output> cache_exports;
  std::vector<std::string> entitlements;
  SessionOptions session;
};

// Called with every message of the daemon's Status stream, in order, from one thread.
using ProgressCallback = std::function<void(const moby::buildkit::v1::StatusResponse&)>;

// Returns the exporter response. A failure carries the daemon's details (llb source lines) in its
// message already rendered by RenderError. Cancelling cancels the build at the daemon.
StatusOr<std::map<std::string, std::string>> Build(Connection& connection, BuildRequest request,
                                                   const ProgressCallback& progress,
                                                   const CancelToken& cancel);

}  // namespace cairn::client

// GatewayFrontend ("gateway.v0"): frontends that are images. The image's program runs in a
// container and drives the build through LLBBridge on its stdin and stdout (protocol.md 1.5).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cache/snapshot/snapshotter.h"
#include "daemon/frontend/gateway/bridge_server.h"
#include "daemon/solver/frontend.h"
#include "runtime/sandbox/executor.h"

namespace cairn::gateway {

struct GatewayEnvironment {
  snapshot::Snapshotter& snapshots;
  sandbox::Executor& executor;
  BridgeServer& server;
  // Repositories ("docker.io/docker/dockerfile") that frontends may come from; empty allows all.
  std::vector<std::string> allowed_repositories;
};

// `environment`'s parts outlive the frontend.
std::unique_ptr<solver::Frontend> MakeGatewayFrontend(GatewayEnvironment environment);

}  // namespace cairn::gateway

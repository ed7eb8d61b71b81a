// DockerfileFrontend: "dockerfile.v0". From a request's attributes to a solved image per platform
// (protocol.md 6.2).
//
// "# syntax=docker/dockerfile:.." names this frontend; any other image is handed to "gateway.v0".
//
// Stateless and thread-safe.
#pragma once

#include "daemon/solver/frontend.h"

namespace cairn::dockerfile {

class DockerfileFrontend : public solver::Frontend {
 public:
  StatusOr<solver::FrontendResult> Solve(solver::Bridge& bridge,
                                         const solver::FrontendRequest& request,
                                         const CancelToken& cancel) override;
};

}  // namespace cairn::dockerfile

// Serving a build's Bridge as LLBBridge on a connection, for a frontend that runs in a container.
// Implemented by daemon/control, which knows the services.
#pragma once

#include "daemon/solver/frontend.h"
#include "runtime/base/cancel.h"
#include "runtime/base/fd.h"

namespace cairn::gateway {

class BridgeServer {
 public:
  virtual ~BridgeServer() = default;

  // Serves `bridge` over the connected socket `connection` until the other side has returned its
  // result or error, which it returns, or until `cancel` fires. Inputs are those of `request`.
  virtual StatusOr<solver::FrontendResult> Serve(solver::Bridge& bridge,
                                                 const solver::FrontendRequest& request,
                                                 UniqueFd connection,
                                                 const CancelToken& cancel) = 0;

  // What BUILDKIT_WORKERS tells a frontend: JSON.
  virtual std::string workers_json() const = 0;
};

}  // namespace cairn::gateway

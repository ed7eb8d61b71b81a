// Serves LLBBridge to frontends that run in containers: a gRPC server on one connected socket each.
#pragma once

#include "daemon/control/call_threads.h"
#include "daemon/control/worker_info.h"
#include "daemon/frontend/gateway/bridge_server.h"
#include "daemon/ops/exec_op.h"

namespace cairn::control {

// Thread-safe.
class FrontendServer final : public ::cairn::gateway::BridgeServer {
 public:
  // All outlive the server; `containers` may be null (see BridgeService).
  FrontendServer(CallThreads& threads, const WorkerInfo& worker,
                 const ops::ExecEnvironment* containers)
      : threads_(threads), worker_(worker), containers_(containers) {}

  StatusOr<solver::FrontendResult> Serve(solver::Bridge& bridge,
                                         const solver::FrontendRequest& request,
                                         UniqueFd connection, const CancelToken& cancel) override;
  std::string workers_json() const override;

 private:
  CallThreads& threads_;
  const WorkerInfo& worker_;
  const ops::ExecEnvironment* const containers_;
};

}  // namespace cairn::control

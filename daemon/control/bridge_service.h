// moby.buildkit.v1.frontend.LLBBridge: how clients and frontends that are images drive a build.
#pragma once

#include <functional>
#include <memory>

#include "daemon/control/bridge_calls.h"
#include "daemon/control/gateway_build.h"
#include "daemon/control/rpc_call.h"
#include "daemon/control/worker_info.h"
#include "daemon/ops/exec_op.h"
#include "proto/gateway.grpc.pb.h"

namespace cairn::control {

// The build that a call is for; waits for it a moment, as calls race with Solve.
using BuildFinder = std::function<StatusOr<std::shared_ptr<GatewayBuild>>(const CallInfo& call)>;

// Thread-safe. Runs each call on a thread of `threads`.
class BridgeService final : public gateway::LLBBridge::CallbackService {
 public:
  // `threads`, `worker` and `containers` outlive the service. Without `containers` builds cannot
  // start any.
  BridgeService(CallThreads& threads, const WorkerInfo& worker, BuildFinder find_build,
                const ops::ExecEnvironment* containers = nullptr)
      : threads_(threads),
        worker_(worker),
        find_build_(std::move(find_build)),
        containers_(containers) {}

 private:
  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  template <typename Request, typename Response>
  using Method = Status (*)(GatewayBuild&, const CancelToken&, const Request&, Response*);

  // Runs `method` for the build that the call names, until the call or the build ends.
  template <typename Request, typename Response>
  Reactor* Run(Context* context, const Request* request, Response* response,
               Method<Request, Response> method);

  Reactor* Ping(Context* context, const gateway::PingRequest* request,
                gateway::PongResponse* response) override;
  Reactor* Inputs(Context* context, const gateway::InputsRequest* request,
                  gateway::InputsResponse* response) override;
  Reactor* Solve(Context* context, const gateway::SolveRequest* request,
                 gateway::SolveResponse* response) override;
  Reactor* Evaluate(Context* context, const gateway::EvaluateRequest* request,
                    gateway::EvaluateResponse* response) override;
  Reactor* ReadFile(Context* context, const gateway::ReadFileRequest* request,
                    gateway::ReadFileResponse* response) override;
  Reactor* ReadDir(Context* context, const gateway::ReadDirRequest* request,
                   gateway::ReadDirResponse* response) override;
  Reactor* StatFile(Context* context, const gateway::StatFileRequest* request,
                    gateway::StatFileResponse* response) override;
  Reactor* ResolveImageConfig(Context* context, const gateway::ResolveImageConfigRequest* request,
                              gateway::ResolveImageConfigResponse* response) override;
  Reactor* ResolveSourceMeta(Context* context, const gateway::ResolveSourceMetaRequest* request,
                             gateway::ResolveSourceMetaResponse* response) override;
  Reactor* Warn(Context* context, const gateway::WarnRequest* request,
                gateway::WarnResponse* response) override;
  Reactor* Return(Context* context, const gateway::ReturnRequest* request,
                  gateway::ReturnResponse* response) override;
  Reactor* NewContainer(Context* context, const gateway::NewContainerRequest* request,
                        gateway::NewContainerResponse* response) override;
  Reactor* ReleaseContainer(Context* context, const gateway::ReleaseContainerRequest* request,
                            gateway::ReleaseContainerResponse* response) override;
  grpc::ServerBidiReactor<gateway::ExecMessage, gateway::ExecMessage>* ExecProcess(
      Context* context) override;
  Reactor* ReadFileContainer(Context* context, const gateway::ReadFileRequest* request,
                             gateway::ReadFileResponse* response) override;
  Reactor* ReadDirContainer(Context* context, const gateway::ReadDirRequest* request,
                            gateway::ReadDirResponse* response) override;
  Reactor* StatFileContainer(Context* context, const gateway::StatFileRequest* request,
                             gateway::StatFileResponse* response) override;

  CallThreads& threads_;
  const WorkerInfo& worker_;
  const BuildFinder find_build_;
  const ops::ExecEnvironment* const containers_;
};

}  // namespace cairn::control

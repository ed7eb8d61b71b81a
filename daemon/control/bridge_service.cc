#include "daemon/control/bridge_service.h"

#include "daemon/control/build_call.h"
#include "daemon/control/container_calls.h"
#include "daemon/control/container_files.h"

namespace cairn::control {
template <typename Request, typename Response>
grpc::ServerUnaryReactor* BridgeService::Run(Context* context, const Request* request,
                                             Response* response, Method<Request, Response> method) {
  return UnaryCall<Request, Response>::Start(
      threads_, context, request, response,
      [this, method](const CallInfo& call, const Request& wire, Response* out) -> Status {
        ASSIGN_OR_RETURN(const std::shared_ptr<GatewayBuild> build, find_build_(call));
        const BuildCall scope(*build, call.cancel);
        RETURN_IF_ERROR(scope.status());
        return method(*build, scope.cancel(), wire, out);
      });
}

grpc::ServerUnaryReactor* BridgeService::Ping(Context* context, const gateway::PingRequest* request,
                                              gateway::PongResponse* response) {
  return UnaryCall<gateway::PingRequest, gateway::PongResponse>::Start(
      threads_, context, request, response,
      [this](const CallInfo& call, const gateway::PingRequest&,
             gateway::PongResponse* out) -> Status {
        RETURN_IF_ERROR(find_build_(call).status());
        AnswerPing(worker_, out);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* BridgeService::Inputs(Context* context,
                                                const gateway::InputsRequest* request,
                                                gateway::InputsResponse* response) {
  return Run(context, request, response, &CallInputs);
}

grpc::ServerUnaryReactor* BridgeService::Solve(Context* context,
                                               const gateway::SolveRequest* request,
                                               gateway::SolveResponse* response) {
  return Run(context, request, response, &CallSolve);
}

grpc::ServerUnaryReactor* BridgeService::Evaluate(Context* context,
                                                  const gateway::EvaluateRequest* request,
                                                  gateway::EvaluateResponse* response) {
  return Run(context, request, response, &CallEvaluate);
}

grpc::ServerUnaryReactor* BridgeService::ReadFile(Context* context,
                                                  const gateway::ReadFileRequest* request,
                                                  gateway::ReadFileResponse* response) {
  return Run(context, request, response, &CallReadFile);
}

grpc::ServerUnaryReactor* BridgeService::ReadDir(Context* context,
                                                 const gateway::ReadDirRequest* request,
                                                 gateway::ReadDirResponse* response) {
  return Run(context, request, response, &CallReadDir);
}

grpc::ServerUnaryReactor* BridgeService::StatFile(Context* context,
                                                  const gateway::StatFileRequest* request,
                                                  gateway::StatFileResponse* response) {
  return Run(context, request, response, &CallStatFile);
}

grpc::ServerUnaryReactor* BridgeService::ResolveImageConfig(
    Context* context, const gateway::ResolveImageConfigRequest* request,
    gateway::ResolveImageConfigResponse* response) {
  return Run(context, request, response, &CallResolveImageConfig);
}

grpc::ServerUnaryReactor* BridgeService::ResolveSourceMeta(
    Context* context, const gateway::ResolveSourceMetaRequest* request,
    gateway::ResolveSourceMetaResponse* response) {
  return Run(context, request, response, &CallResolveSourceMeta);
}

grpc::ServerUnaryReactor* BridgeService::Warn(Context* context, const gateway::WarnRequest* request,
                                              gateway::WarnResponse* response) {
  return Run(context, request, response, &CallWarn);
}

grpc::ServerUnaryReactor* BridgeService::Return(Context* context,
                                                const gateway::ReturnRequest* request,
                                                gateway::ReturnResponse* response) {
  return Run(context, request, response, &CallReturn);
}

grpc::ServerUnaryReactor* BridgeService::NewContainer(Context* context,
                                                      const gateway::NewContainerRequest* request,
                                                      gateway::NewContainerResponse* response) {
  return UnaryCall<gateway::NewContainerRequest, gateway::NewContainerResponse>::Start(
      threads_, context, request, response,
      [this](const CallInfo& call, const gateway::NewContainerRequest& wire,
             gateway::NewContainerResponse*) -> Status {
        ASSIGN_OR_RETURN(const std::shared_ptr<GatewayBuild> build, find_build_(call));
        const BuildCall scope(*build, call.cancel);
        RETURN_IF_ERROR(scope.status());
        if (containers_ == nullptr) {
          return absl::UnimplementedError("this daemon starts no containers for clients");
        }
        return CallNewContainer(*build, *containers_, wire, scope.cancel());
      });
}

grpc::ServerUnaryReactor* BridgeService::ReleaseContainer(
    Context* context, const gateway::ReleaseContainerRequest* request,
    gateway::ReleaseContainerResponse* response) {
  return UnaryCall<gateway::ReleaseContainerRequest, gateway::ReleaseContainerResponse>::Start(
      threads_, context, request, response,
      [this](const CallInfo& call, const gateway::ReleaseContainerRequest& wire,
             gateway::ReleaseContainerResponse*) -> Status {
        ASSIGN_OR_RETURN(const std::shared_ptr<GatewayBuild> build, find_build_(call));
        return build->containers().Release(wire.containerid());
      });
}

grpc::ServerBidiReactor<gateway::ExecMessage, gateway::ExecMessage>* BridgeService::ExecProcess(
    Context* context) {
  return BidiCall<gateway::ExecMessage, gateway::ExecMessage>::Start(
      threads_, context,
      [this](const CallInfo& call,
             BidiCall<gateway::ExecMessage, gateway::ExecMessage>& stream) -> Status {
        ASSIGN_OR_RETURN(const std::shared_ptr<GatewayBuild> build, find_build_(call));
        const BuildCall scope(*build, call.cancel);
        RETURN_IF_ERROR(scope.status());
        return CallExecProcess(*build, scope.cancel(), stream);
      });
}

grpc::ServerUnaryReactor* BridgeService::ReadFileContainer(Context* context,
                                                           const gateway::ReadFileRequest* request,
                                                           gateway::ReadFileResponse* response) {
  return Run(context, request, response, &CallReadFileContainer);
}

grpc::ServerUnaryReactor* BridgeService::ReadDirContainer(Context* context,
                                                          const gateway::ReadDirRequest* request,
                                                          gateway::ReadDirResponse* response) {
  return Run(context, request, response, &CallReadDirContainer);
}

grpc::ServerUnaryReactor* BridgeService::StatFileContainer(Context* context,
                                                           const gateway::StatFileRequest* request,
                                                           gateway::StatFileResponse* response) {
  return Run(context, request, response, &CallStatFileContainer);
}

}  // namespace cairn::control

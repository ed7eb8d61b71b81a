// What each call of LLBBridge does for a build: decode, ask the build's Bridge, encode.
#pragma once

#include "daemon/control/gateway_build.h"
#include "daemon/control/worker_info.h"
#include "proto/gateway.pb.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::control {

namespace gateway = moby::buildkit::v1::frontend;

void AnswerPing(const WorkerInfo& worker, gateway::PongResponse* response);

// Each runs until done or until `cancel` fires.
Status CallInputs(GatewayBuild& build, const CancelToken& cancel,
                  const gateway::InputsRequest& request, gateway::InputsResponse* response);
Status CallSolve(GatewayBuild& build, const CancelToken& cancel,
                 const gateway::SolveRequest& request, gateway::SolveResponse* response);
Status CallEvaluate(GatewayBuild& build, const CancelToken& cancel,
                    const gateway::EvaluateRequest& request, gateway::EvaluateResponse* response);
Status CallReadFile(GatewayBuild& build, const CancelToken& cancel,
                    const gateway::ReadFileRequest& request, gateway::ReadFileResponse* response);
Status CallReadDir(GatewayBuild& build, const CancelToken& cancel,
                   const gateway::ReadDirRequest& request, gateway::ReadDirResponse* response);
Status CallStatFile(GatewayBuild& build, const CancelToken& cancel,
                    const gateway::StatFileRequest& request, gateway::StatFileResponse* response);
Status CallResolveImageConfig(GatewayBuild& build, const CancelToken& cancel,
                              const gateway::ResolveImageConfigRequest& request,
                              gateway::ResolveImageConfigResponse* response);
Status CallResolveSourceMeta(GatewayBuild& build, const CancelToken& cancel,
                             const gateway::ResolveSourceMetaRequest& request,
                             gateway::ResolveSourceMetaResponse* response);
Status CallWarn(GatewayBuild& build, const CancelToken& cancel, const gateway::WarnRequest& request,
                gateway::WarnResponse* response);
Status CallReturn(GatewayBuild& build, const CancelToken& cancel,
                  const gateway::ReturnRequest& request, gateway::ReturnResponse* response);

}  // namespace cairn::control

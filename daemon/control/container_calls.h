// NewContainer and ExecProcess of LLBBridge.
#pragma once

#include "daemon/control/bridge_calls.h"
#include "daemon/control/gateway_build.h"
#include "daemon/control/rpc_call.h"
#include "daemon/ops/exec_op.h"

namespace cairn::control {

Status CallNewContainer(GatewayBuild& build, const ops::ExecEnvironment& environment,
                        const gateway::NewContainerRequest& request, const CancelToken& cancel);

// One stream, any number of processes: serves it until the driver ends it or `cancel` fires, then
// kills what still runs. For each process Started comes before its output, Exit after its end, and
// Done after all its output.
Status CallExecProcess(GatewayBuild& build, const CancelToken& cancel,
                       BidiCall<gateway::ExecMessage, gateway::ExecMessage>& stream);

}  // namespace cairn::control

// ReadFileContainer, ReadDirContainer and StatFileContainer of LLBBridge: what a container's mounts
// show, while it runs or before it does.
#pragma once

#include "daemon/control/bridge_calls.h"
#include "daemon/control/gateway_build.h"

namespace cairn::control {

// `ref` of the requests is the container's id, paths are beneath the mount `mountindex`.
Status CallReadFileContainer(GatewayBuild& build, const CancelToken& cancel,
                             const gateway::ReadFileRequest& request,
                             gateway::ReadFileResponse* response);
Status CallReadDirContainer(GatewayBuild& build, const CancelToken& cancel,
                            const gateway::ReadDirRequest& request,
                            gateway::ReadDirResponse* response);
Status CallStatFileContainer(GatewayBuild& build, const CancelToken& cancel,
                             const gateway::StatFileRequest& request,
                             gateway::StatFileResponse* response);

}  // namespace cairn::control

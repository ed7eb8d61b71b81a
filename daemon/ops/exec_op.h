// ExecOp: runs a process on the trees of its inputs (pb.ExecOp).
#pragma once

#include <memory>
#include <string>

#include "daemon/devices/device_registry.h"
#include "daemon/llb/graph.h"
#include "daemon/ops/exec_mounts.h"
#include "daemon/solver/op.h"
#include "runtime/sandbox/executor.h"

namespace cairn::ops {

// What steps run with; all of it outlives them.
struct ExecEnvironment {
  ExecMounts::Stores stores;
  sandbox::Executor& executor;
  // Null: no devices.
  const devices::DeviceRegistry* devices = nullptr;
};

// `environment` outlives the operation. REQUIRES: vertex.op->has_exec().
std::unique_ptr<solver::Op> MakeExecOp(const llb::Vertex& vertex,
                                       const ExecEnvironment& environment);

}  // namespace cairn::ops

// The operations for vertices of every kind but sources.
#pragma once

#include "cache/layer/chain_store.h"
#include "daemon/ops/exec_op.h"
#include "daemon/solver/op.h"
#include "runtime/base/clock.h"

namespace cairn::ops {

// All of it outlives the operations.
struct OpEnvironment {
  layer::ChainStore& chains;
  const Clock& clock;
  ExecEnvironment exec;
};

// kUnimplemented for a source or an op of a kind that is not known. See solver::OpFactory.
StatusOr<std::unique_ptr<solver::Op>> MakeOp(const llb::Vertex& vertex,
                                             const OpEnvironment& environment);

}  // namespace cairn::ops

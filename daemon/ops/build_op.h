// BuildOp: solves a definition that an input holds as a file (pb.BuildOp).
#pragma once

#include <memory>

#include "cache/layer/chain_store.h"
#include "daemon/llb/graph.h"
#include "daemon/solver/op.h"

namespace cairn::ops {

// `chains` outlives the operation. REQUIRES: vertex.op->has_build().
std::unique_ptr<solver::Op> MakeBuildOp(const llb::Vertex& vertex, layer::ChainStore& chains);

}  // namespace cairn::ops

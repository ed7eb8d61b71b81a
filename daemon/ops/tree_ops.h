// Operations that only rearrange trees: merge, diff and passthrough.
//
// They have no step key: working them out from what ChainStore remembers costs no more than a look
// in the step table, and the layers of the result stay those of the running build's own inputs.
#pragma once

#include <memory>

#include "cache/layer/chain_store.h"
#include "daemon/llb/graph.h"
#include "daemon/solver/op.h"

namespace cairn::ops {

// `chains` outlives the operations. REQUIRES: the vertex holds that kind of op.
std::unique_ptr<solver::Op> MakeMergeOp(const llb::Vertex& vertex, layer::ChainStore& chains);
std::unique_ptr<solver::Op> MakeDiffOp(const llb::Vertex& vertex, layer::ChainStore& chains);
std::unique_ptr<solver::Op> MakePassthroughOp(const llb::Vertex& vertex);

}  // namespace cairn::ops

// FileOp: copy, make and remove files (pb.FileOp), as splices of trees. No file is copied.
#pragma once

#include <memory>

#include "cache/layer/chain_store.h"
#include "daemon/llb/graph.h"
#include "daemon/solver/op.h"
#include "runtime/base/clock.h"

namespace cairn::ops {

// `chains` and `clock` outlive the operation. REQUIRES: vertex.op->has_file().
std::unique_ptr<solver::Op> MakeFileOp(const llb::Vertex& vertex, layer::ChainStore& chains,
                                       const Clock& clock);

}  // namespace cairn::ops

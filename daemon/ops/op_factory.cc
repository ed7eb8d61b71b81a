#include "daemon/ops/op_factory.h"

#include "absl/strings/str_cat.h"
#include "daemon/ops/build_op.h"
#include "daemon/ops/file_op.h"
#include "daemon/ops/tree_ops.h"
#include "proto/ops.pb.h"

namespace cairn::ops {

StatusOr<std::unique_ptr<solver::Op>> MakeOp(const llb::Vertex& vertex,
                                             const OpEnvironment& environment) {
  switch (vertex.op->op_case()) {
    case pb::Op::kExec:
      return MakeExecOp(vertex, environment.exec);
    case pb::Op::kFile:
      return MakeFileOp(vertex, environment.chains, environment.clock);
    case pb::Op::kMerge:
      return MakeMergeOp(vertex, environment.chains);
    case pb::Op::kDiff:
      return MakeDiffOp(vertex, environment.chains);
    case pb::Op::kBuild:
      return MakeBuildOp(vertex, environment.chains);
    case pb::Op::kPassthrough:
      return MakePassthroughOp(vertex);
    default:
      return absl::UnimplementedError(absl::StrCat("could not resolve vertex ",
                                                   vertex.digest.ToString(), " (", vertex.name,
                                                   "): unknown kind of operation"));
  }
}

}  // namespace cairn::ops

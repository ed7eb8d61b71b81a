#include "daemon/ops/tree_ops.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/ops.pb.h"

namespace cairn::ops {
namespace {

StatusOr<const layer::Chain*> InputAt(const std::vector<layer::Chain>& inputs, int64_t index) {
  if (index < 0 || index >= static_cast<int64_t>(inputs.size())) {
    return absl::InvalidArgumentError(absl::StrCat("invalid input index ", index));
  }
  return &inputs[index];
}

// What the three have in common.
class TreeOp : public solver::Op {
 public:
  explicit TreeOp(const llb::Vertex& vertex) : op_(vertex.op) {}

  StatusOr<solver::Prepared> Prepare(solver::OpContext&) override { return solver::Prepared(); }

 protected:
  const pb::Op& op() const { return *op_; }

 private:
  // Shared with the vertex, which the plan may outlive.
  const std::shared_ptr<const pb::Op> op_;
};

class MergeOp final : public TreeOp {
 public:
  MergeOp(const llb::Vertex& vertex, layer::ChainStore& chains) : TreeOp(vertex), chains_(chains) {}

  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext&,
                                              const std::vector<layer::Chain>& inputs) override {
    std::vector<layer::Chain> merged;
    for (const pb::MergeInput& input : op().merge().inputs()) {
      if (input.input() == -1) {
        continue;
      }
      ASSIGN_OR_RETURN(const layer::Chain* chain, InputAt(inputs, input.input()));
      merged.push_back(*chain);
    }
    ASSIGN_OR_RETURN(layer::Chain result, chains_.Merge(merged));
    return std::vector<solver::OpOutput>{{.chain = std::move(result)}};
  }

 private:
  layer::ChainStore& chains_;
};

class DiffOp final : public TreeOp {
 public:
  DiffOp(const llb::Vertex& vertex, layer::ChainStore& chains) : TreeOp(vertex), chains_(chains) {}

  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext&,
                                              const std::vector<layer::Chain>& inputs) override {
    const pb::DiffOp& diff = op().diff();
    ASSIGN_OR_RETURN(layer::Chain lower, chains_.Scratch());
    layer::Chain upper = lower;
    if (diff.lower().input() != -1) {
      ASSIGN_OR_RETURN(const layer::Chain* chain, InputAt(inputs, diff.lower().input()));
      lower = *chain;
    }
    if (diff.upper().input() != -1) {
      ASSIGN_OR_RETURN(const layer::Chain* chain, InputAt(inputs, diff.upper().input()));
      upper = *chain;
    }
    ASSIGN_OR_RETURN(layer::Chain result, chains_.Difference(lower, upper));
    return std::vector<solver::OpOutput>{{.chain = std::move(result)}};
  }

 private:
  layer::ChainStore& chains_;
};

class PassthroughOp final : public TreeOp {
 public:
  using TreeOp::TreeOp;

  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext&,
                                              const std::vector<layer::Chain>& inputs) override {
    std::vector<solver::OpOutput> outputs;
    for (const int64_t index : op().passthrough().outputs()) {
      ASSIGN_OR_RETURN(const layer::Chain* chain, InputAt(inputs, index));
      outputs.push_back({.chain = *chain, .base_input = static_cast<int>(index)});
    }
    return outputs;
  }
};

}  // namespace

std::unique_ptr<solver::Op> MakeMergeOp(const llb::Vertex& vertex, layer::ChainStore& chains) {
  return std::make_unique<MergeOp>(vertex, chains);
}

std::unique_ptr<solver::Op> MakeDiffOp(const llb::Vertex& vertex, layer::ChainStore& chains) {
  return std::make_unique<DiffOp>(vertex, chains);
}

std::unique_ptr<solver::Op> MakePassthroughOp(const llb::Vertex& vertex) {
  return std::make_unique<PassthroughOp>(vertex);
}

}  // namespace cairn::ops

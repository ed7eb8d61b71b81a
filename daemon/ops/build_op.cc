#include "daemon/ops/build_op.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/tree/algebra.h"
#include "daemon/solver/solver.h"
#include "proto/ops.pb.h"

namespace cairn::ops {
namespace {

// Names that clients agree on (pb.BuildOp).
constexpr char kDefinitionInput[] = "buildkit.llb.definition";
constexpr char kDefaultFile[] = "/buildkit.llb.definition";
constexpr char kFileAttribute[] = "llbbuild.filename";
constexpr int64_t kLlbBuilder = -1;

class BuildOp final : public solver::Op {
 public:
  BuildOp(const llb::Vertex& vertex, layer::ChainStore& chains) : op_(vertex.op), chains_(chains) {}

  // Without a key: what the definition leads to is cached step by step.
  StatusOr<solver::Prepared> Prepare(solver::OpContext&) override {
    if (op_->build().builder() != kLlbBuilder) {
      return absl::InvalidArgumentError("only LLB builder is currently allowed");
    }
    if (op_->build().inputs().count(kDefinitionInput) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("no llb definition input ", kDefinitionInput, " found"));
    }
    return solver::Prepared();
  }

  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext& context,
                                              const std::vector<layer::Chain>& inputs) override {
    ASSIGN_OR_RETURN(const pb::Definition definition, ReadDefinition(inputs));
    ASSIGN_OR_RETURN(const solver::RefPtr ref, context.job.Load(definition));
    ASSIGN_OR_RETURN(layer::Chain chain, chains_.Scratch());
    if (ref != nullptr) {
      ASSIGN_OR_RETURN(chain, ref->Evaluate(context.cancel));
    }
    return std::vector<solver::OpOutput>{{.chain = std::move(chain)}};
  }

 private:
  StatusOr<pb::Definition> ReadDefinition(const std::vector<layer::Chain>& inputs) {
    const pb::BuildOp& build = op_->build();
    const int64_t index = build.inputs().at(kDefinitionInput).input();
    if (index < 0 || index >= static_cast<int64_t>(inputs.size())) {
      return absl::InvalidArgumentError(absl::StrCat("invalid index ", index));
    }
    std::string file = kDefaultFile;
    const auto attribute = build.attrs().find(kFileAttribute);
    if (attribute != build.attrs().end()) {
      file = attribute->second;
    }
    const std::string context = absl::StrCat("failed to open ", file);
    ASSIGN_OR_RETURN(const tree::TreeRef tree, chains_.TreeOf(inputs[index]));
    ASSIGN_OR_RETURN_IN(const tree::Found found,
                        tree::Lookup(chains_.trees(), tree, file, /*follow=*/true), context);
    if (!found.entry.file) {
      return absl::InvalidArgumentError(absl::StrCat(context, ": not a regular file"));
    }
    ASSIGN_OR_RETURN_IN(const std::string bytes, chains_.trees().blobs().Read(*found.entry.file),
                        context);
    pb::Definition definition;
    if (!definition.ParseFromString(bytes)) {
      return absl::InvalidArgumentError(absl::StrCat(file, " is not a definition"));
    }
    return definition;
  }

  // Shared with the vertex, which the plan may outlive.
  const std::shared_ptr<const pb::Op> op_;
  layer::ChainStore& chains_;
};

}  // namespace

std::unique_ptr<solver::Op> MakeBuildOp(const llb::Vertex& vertex, layer::ChainStore& chains) {
  return std::make_unique<BuildOp>(vertex, chains);
}

}  // namespace cairn::ops

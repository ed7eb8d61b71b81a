#include "daemon/solver/solved_ref.h"

#include <utility>

#include "daemon/solver/step_import.h"

namespace cairn::solver {
namespace {

class SolvedRef final : public Ref {
 public:
  explicit SolvedRef(layer::Chain chain) : chain_(std::move(chain)) {}

  StatusOr<layer::Chain> Evaluate(const CancelToken& cancel) override {
    RETURN_IF_ERROR(cancel.Check());
    return chain_;
  }
  bool Repair() override { return false; }
  const pb::Definition& definition() const override { return definition_; }

 private:
  const layer::Chain chain_;
  const pb::Definition definition_;
};

}  // namespace

std::vector<ExportableStep> Ref::StepsToExport() { return {}; }

RefPtr MakeSolvedRef(layer::Chain chain) { return std::make_shared<SolvedRef>(std::move(chain)); }

}  // namespace cairn::solver

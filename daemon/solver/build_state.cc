#include "daemon/solver/build_state.h"

#include <utility>

#include "daemon/llb/graph.h"
#include "daemon/solver/scheduler.h"
#include "daemon/solver/vertex_progress.h"
#include "runtime/base/random_id.h"

namespace cairn::solver {
namespace {

// Steps that are brought in have others above them looked up anew, so one try may not be enough.
constexpr int kMaxTries = 100;

class LoadedRef final : public Ref {
 public:
  LoadedRef(std::shared_ptr<BuildState> build, StepEdge target, pb::Definition definition)
      : build_(std::move(build)), target_(target), definition_(std::move(definition)) {}

  StatusOr<layer::Chain> Evaluate(const CancelToken& cancel) override {
    {
      MutexLock lock(mu_);
      if (result_) {
        return *result_;
      }
    }
    StatusOr<layer::Chain> result = EvaluateWhole(cancel);
    if (!absl::IsCancelled(result.status())) {
      MutexLock lock(mu_);
      result_ = result;
    }
    return result;
  }

  bool Repair() override {
    if (!build_->scheduler().Repair(target_)) {
      return false;
    }
    MutexLock lock(mu_);
    result_.reset();
    return true;
  }

  bool Fetch() override {
    if (!build_->scheduler().FetchImported(target_)) {
      return false;
    }
    MutexLock lock(mu_);
    result_.reset();
    return true;
  }

  const pb::Definition& definition() const override { return definition_; }

  std::vector<ExportableStep> StepsToExport() override {
    return build_->scheduler().StepsToExport(build_, target_);
  }

  std::map<Digest, SolvedVertex> Solved() override {
    return build_->scheduler().Solved(build_, target_);
  }

 private:
  // Outside of the solver no chain is content only: what a cache elsewhere has is brought in, what
  // it lacks is made.
  StatusOr<layer::Chain> EvaluateWhole(const CancelToken& cancel) {
    StatusOr<layer::Chain> result = build_->scheduler().Evaluate(build_, target_, cancel);
    for (int tries = 0; result.ok() && HasContentOnly(*result); ++tries) {
      if (tries >= kMaxTries) {
        return absl::InternalError("the result of a build is known by its content only");
      }
      // False when another ref of the build has just had the same steps brought in.
      build_->scheduler().Repair(target_);
      result = build_->scheduler().Evaluate(build_, target_, cancel);
    }
    return result;
  }

  const std::shared_ptr<BuildState> build_;  // shared: a ref may outlive its build
  const StepEdge target_;
  const pb::Definition definition_;
  Mutex mu_;
  std::optional<StatusOr<layer::Chain>> result_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

BuildState::BuildState(JobOptions options, Scheduler& scheduler, gc::Ledger& ledger,
                       const Clock& clock)
    : options_(std::move(options)),
      scheduler_(scheduler),
      clock_(clock),
      sessions_(options_.session_ids),
      progress_(std::make_shared<ProgressLog>(clock)),
      lease_(ledger.NewLease()) {}

void BuildState::AddImports(std::shared_ptr<StepImports> imports) {
  MutexLock lock(mu_);
  imports_.push_back(std::move(imports));
}

std::vector<std::shared_ptr<StepImports>> BuildState::imports() const {
  MutexLock lock(mu_);
  return imports_;
}

StatusOr<RefPtr> BuildState::Load(const pb::Definition& definition) {
  if (options_.gate) {
    ASSIGN_OR_RETURN(const pb::Definition passed, options_.gate(definition, cancel_.token()));
    return LoadPassed(passed);
  }
  return LoadPassed(definition);
}

StatusOr<RefPtr> BuildState::LoadPassed(const pb::Definition& definition) {
  ASSIGN_OR_RETURN(const llb::Graph graph, llb::Graph::LoadOrScratch(definition));
  if (!graph.target()) {
    return RefPtr();
  }
  ASSIGN_OR_RETURN(const StepEdge target, scheduler_.Load(shared_from_this(), graph));
  return RefPtr(std::make_shared<LoadedRef>(shared_from_this(), target, definition));
}

Status BuildState::RunVertex(const Digest& digest, const std::string& name,
                             const std::function<Status(VertexReporter&)>& work) {
  RETURN_IF_ERROR(cancel_.token().Check());
  VertexProgress progress(clock_, {.max_bytes = -1, .bytes_per_second = -1});
  VertexEvent announcement{.digest = digest};
  announcement.name = name;
  progress_->Write(announcement);
  progress.AddListener(progress_, announcement);
  progress.Start();
  const Status status = work(progress);
  progress.Finish(absl::IsCancelled(status) ? "context canceled" : std::string(status.message()));
  return status;
}

std::string BuildState::Keep(const std::vector<std::shared_ptr<BuildState>>& builds,
                             const RefPtr& state) {
  const std::string id = RandomId();
  for (const auto& build : builds) {
    build->memory().Keep(id, state);
  }
  return id;
}

void BuildState::End() {
  cancel_.Cancel();
  scheduler_.Unload(shared_from_this());
  memory_.Clear();
  progress_->Close();
  lease_.reset();
}

}  // namespace cairn::solver

// BuildState: one build as the solver's parts see it. Implements Job for the operations.
//
// Shared by the Job handed out, by its refs and by the steps that it loaded, so that a step which
// another build took over never looks at a build that is gone: after End() every call fails with
// kCancelled. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/solver/solver.h"
#include "runtime/base/sync.h"

namespace cairn::solver {

class Scheduler;

class BuildState final : public Job, public std::enable_shared_from_this<BuildState> {
 public:
  BuildState(JobOptions options, Scheduler& scheduler, gc::Ledger& ledger, const Clock& clock);

  const std::string& id() const override { return options_.id; }
  StatusOr<RefPtr> Load(const pb::Definition& definition) override;
  Status RunVertex(const Digest& digest, const std::string& name,
                   const std::function<Status(VertexReporter&)>& work) override;
  void AddImports(std::shared_ptr<StepImports> imports) override;
  ProgressLog& progress() override { return *progress_; }
  session::SessionGroup& sessions() override { return sessions_; }
  const Entitlements& entitlements() const override { return options_.entitlements; }
  gc::Lease& lease() override { return *lease_; }
  BuildMemory& memory() override { return memory_; }
  CancelToken cancel() const override { return cancel_.token(); }
  void Cancel(string_view reason) override { cancel_.Cancel(reason); }

  // What AddImports added, in order.
  std::vector<std::shared_ptr<StepImports>> imports() const;

  // Keeps `state` for all of `builds`; returns its id.
  static std::string Keep(const std::vector<std::shared_ptr<BuildState>>& builds,
                          const RefPtr& state);

  // Cancels, lets go of all steps and closes the progress. Called once, by the Job's owner.
  void End();

  // Shared with readers of the progress, who may outlive the build.
  const std::shared_ptr<ProgressLog>& shared_progress() const { return progress_; }
  const session::SessionGroup& session_group() const { return sessions_; }
  const JobOptions& options() const { return options_; }
  Scheduler& scheduler() { return scheduler_; }

 private:
  StatusOr<RefPtr> LoadPassed(const pb::Definition& definition);

  const JobOptions options_;
  Scheduler& scheduler_;
  const Clock& clock_;
  session::SessionGroup sessions_;
  const std::shared_ptr<ProgressLog> progress_;
  std::unique_ptr<gc::Lease> lease_;
  BuildMemory memory_;
  CancelSource cancel_;
  mutable Mutex mu_;
  std::vector<std::shared_ptr<StepImports>> imports_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::solver

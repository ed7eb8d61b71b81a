#include "daemon/solver/solver.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/solver/build_state.h"
#include "daemon/solver/scheduler.h"
#include "daemon/solver/step_runner.h"
#include "runtime/base/sync.h"

namespace cairn::solver {
namespace {

// How long the progress of a build that has ended can still be read.
constexpr absl::Duration kProgressKept = absl::Seconds(10);
constexpr int kDefaultWorkers = 256;

// The builds that can be found by id.
class BuildRegistry {
 public:
  explicit BuildRegistry(const Clock& clock) : clock_(clock) {}

  Status Add(const std::string& id, std::shared_ptr<ProgressLog> progress) {
    MutexLock lock(mu_);
    DropOld();
    const auto [entry, added] = builds_.try_emplace(id);
    if (!added && !entry->second.ended) {
      return absl::AlreadyExistsError(absl::StrCat("job ID ", id, " exists"));
    }
    entry->second = {.progress = std::move(progress)};
    changed_.NotifyAll();
    return absl::OkStatus();
  }

  void End(const std::string& id) {
    MutexLock lock(mu_);
    const auto found = builds_.find(id);
    if (found != builds_.end()) {
      found->second.ended = clock_.Now();
    }
    DropOld();
  }

  StatusOr<std::shared_ptr<ProgressLog>> Find(const std::string& id, absl::Duration wait,
                                              const CancelToken& cancel) {
    const CancelCallback wake(cancel, [this] {
      MutexLock lock(mu_);
      changed_.NotifyAll();
    });
    const absl::Time deadline = absl::Now() + wait;
    MutexLock lock(mu_);
    while (true) {
      DropOld();
      const auto found = builds_.find(id);
      if (found != builds_.end()) {
        return found->second.progress;
      }
      RETURN_IF_ERROR(cancel.Check());
      const absl::Duration left = deadline - absl::Now();
      if (left <= absl::ZeroDuration()) {
        return absl::NotFoundError(absl::StrCat("no such job ", id));
      }
      changed_.WaitFor(mu_, left);
    }
  }

 private:
  struct Entry {
    std::shared_ptr<ProgressLog> progress;
    std::optional<absl::Time> ended;
  };

  void DropOld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const absl::Time now = clock_.Now();
    for (auto it = builds_.begin(); it != builds_.end();) {
      const bool old = it->second.ended && now - *it->second.ended > kProgressKept;
      it = old ? builds_.erase(it) : std::next(it);
    }
  }

  const Clock& clock_;
  Mutex mu_;
  CondVar changed_;
  std::map<std::string, Entry> builds_ ABSL_GUARDED_BY(mu_);
};

// What NewJob hands out: ends the build when it goes.
class OwnedJob final : public Job {
 public:
  OwnedJob(std::shared_ptr<BuildState> build, BuildRegistry& registry)
      : build_(std::move(build)), registry_(registry) {}
  ~OwnedJob() override {
    build_->End();
    registry_.End(build_->id());
  }

  const std::string& id() const override { return build_->id(); }
  StatusOr<RefPtr> Load(const pb::Definition& definition) override {
    return build_->Load(definition);
  }
  Status RunVertex(const Digest& digest, const std::string& name,
                   const std::function<Status(VertexReporter&)>& work) override {
    return build_->RunVertex(digest, name, work);
  }
  void AddImports(std::shared_ptr<StepImports> imports) override {
    build_->AddImports(std::move(imports));
  }
  ProgressLog& progress() override { return build_->progress(); }
  session::SessionGroup& sessions() override { return build_->sessions(); }
  const Entitlements& entitlements() const override { return build_->entitlements(); }
  gc::Lease& lease() override { return build_->lease(); }
  BuildMemory& memory() override { return build_->memory(); }
  CancelToken cancel() const override { return build_->cancel(); }
  void Cancel(string_view reason) override { build_->Cancel(reason); }

 private:
  const std::shared_ptr<BuildState> build_;
  BuildRegistry& registry_;
};

class DaemonSolver final : public Solver {
 public:
  explicit DaemonSolver(const SolverOptions& options)
      : ledger_(options.ledger),
        clock_(options.clock),
        runner_(options.chains, options.steps, options.ledger, options.clock, options.log),
        registry_(options.clock),
        scheduler_({.runner = runner_,
                    .ledger = options.ledger,
                    .clock = options.clock,
                    .make_op = options.make_op,
                    .devices = options.devices,
                    .log_limits = options.log_limits,
                    .slots = options.slots > 0
                                 ? options.slots
                                 : static_cast<int>(std::thread::hardware_concurrency()),
                    .workers = options.workers > 0 ? options.workers : kDefaultWorkers}) {}

  StatusOr<std::unique_ptr<Job>> NewJob(JobOptions options) override {
    auto build = std::make_shared<BuildState>(std::move(options), scheduler_, ledger_, clock_);
    RETURN_IF_ERROR(registry_.Add(build->id(), build->shared_progress()));
    return std::make_unique<OwnedJob>(std::move(build), registry_);
  }

  StatusOr<std::shared_ptr<ProgressLog>> FindProgress(const std::string& id, absl::Duration wait,
                                                      const CancelToken& cancel) override {
    return registry_.Find(id, wait, cancel);
  }

  std::vector<std::string> DescribeWaits() override { return scheduler_.DescribeWaits(); }

 private:
  gc::Ledger& ledger_;
  const Clock& clock_;
  StepRunner runner_;
  BuildRegistry registry_;
  Scheduler scheduler_;
};

}  // namespace

StatusOr<std::unique_ptr<Solver>> Solver::Create(SolverOptions options) {
  steps::StepTable& steps = options.steps;
  const Clock& clock = options.clock;
  options.ledger.OnRemove("step:", [&steps, &clock](const std::string& identity) -> Status {
    ASSIGN_OR_RETURN(const Digest key, Digest::FromHex(absl::StripPrefix(identity, "step:")));
    return steps.Evict(key, clock.Now());
  });
  return std::make_unique<DaemonSolver>(options);
}

}  // namespace cairn::solver

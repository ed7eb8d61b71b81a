// Scheduler: owns the plan. One thread decides; workers prepare, look up and run.
//
// Everything of the plan and its steps belongs to the scheduler's thread; others post closures to
// its mailbox. That thread does no I/O and never waits for anything but its mailbox. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "daemon/llb/graph.h"
#include "daemon/solver/build_state.h"
#include "daemon/solver/lost_bytes.h"
#include "daemon/solver/op.h"
#include "daemon/solver/plan.h"
#include "daemon/solver/ref.h"
#include "daemon/solver/step.h"
#include "daemon/solver/step_draft.h"
#include "daemon/solver/step_runner.h"
#include "daemon/solver/worker_pool.h"
#include "runtime/base/clock.h"
#include "runtime/base/sync.h"

namespace cairn::solver {

class Scheduler {
 public:
  struct Options {
    StepRunner& runner;
    gc::Ledger& ledger;
    const Clock& clock;
    OpFactory make_op;
    const devices::DeviceRegistry* devices = nullptr;
    LogLimits log_limits;
    int slots = 1;
    int workers = 64;
  };
  explicit Scheduler(Options options);
  // Every build must have been unloaded.
  ~Scheduler();

  // Makes the steps of `graph` known for `build`, sharing those that other builds have. Nothing
  // runs yet. REQUIRES: graph.target().
  StatusOr<StepEdge> Load(const std::shared_ptr<BuildState>& build, const llb::Graph& graph);

  // Solves the output and waits for it. Giving up (either token) cancels what nobody else wants.
  StatusOr<layer::Chain> Evaluate(const std::shared_ptr<BuildState>& build, const StepEdge& target,
                                  const CancelToken& cancel);

  // What is known of the steps that `target` is made of and that are done; empty once `build` has
  // been unloaded.
  std::map<Digest, SolvedVertex> Solved(const std::shared_ptr<BuildState>& build,
                                        const StepEdge& target);
  // After a use of what Evaluate returned for `target` failed with kNotFound or kDataLoss: has the
  // steps whose bytes are gone forgotten, so that they run when it is evaluated again. False when
  // nothing is missing. Reads trees, on the caller's thread.
  bool Repair(const StepEdge& target);
  // Has what caches elsewhere have of the done steps below `target` brought in when it is evaluated
  // again. False when there is nothing to bring.
  bool FetchImported(const StepEdge& target);
  // The done steps that `target` is made of and that have a key, inputs first.
  std::vector<ExportableStep> StepsToExport(const std::shared_ptr<BuildState>& build,
                                            const StepEdge& target);

  // Lets go of all that `build` loaded. Waits until it is no longer in use and the steps that
  // nobody wants any more have stopped: when a build has ended, nothing of it runs on.
  void Unload(const std::shared_ptr<BuildState>& build);

  // What each running build waits for, a line each.
  std::vector<std::string> DescribeWaits();

 private:
  struct Waiter;
  struct Gate;
  struct Request {
    std::shared_ptr<BuildState> build;
    StepEdge target;
    std::shared_ptr<Waiter> waiter;
  };
  struct Attempt;

  void Post(std::function<void()> event);
  // Runs `event` on the scheduler's thread and waits for it.
  void Call(const std::function<void()>& event);
  void Loop();

  // On the scheduler's thread:
  Step& StepOf(Plan::StepId id) { return *steps_.at(id); }
  Step& Intern(StepDraft& draft, const std::shared_ptr<BuildState>& build);
  bool HasLoaded(const std::shared_ptr<BuildState>& build, Plan::StepId step) const;
  void Want(const Request& request, Plan::RequestId* id);
  void CarryOut();
  void CarryOut(const Plan::Action& action);
  std::shared_ptr<Attempt> NewAttempt(Step& step);
  Status GatherInputs(Step& step);
  bool AreInputsDone(const Step& step) const;
  // Whether what the inputs of a step came to is not what was gathered, as some of it was lost.
  bool HaveInputsChanged(const Step& step) const;
  // What the done steps below `tops`, themselves included, put on top of their inputs.
  std::vector<ProducedLayers> ProducedBelow(const std::vector<Plan::StepId>& tops);
  void DoPrepare(Step& step);
  void DoComputeKey(Step& step);
  void DoLookUp(Step& step);
  void DoRun(Step& step);
  void Adopt(Step& step, const Step& leader);
  void OnPrepared(Step& step, StatusOr<Prepared> prepared);
  void OnDone(Step& step, std::vector<OpOutput> outputs, bool cached);
  bool RearrangesCachedInputs(const Step& step);
  // The inputs that are content only and that the step, about to run or to be fetched, needs whole.
  std::vector<Plan::StepId> InputsToBringIn(const Step& step) const;
  void OnFailed(Step& step, Status status);
  // Has what `inputs` and all below them lack made again, and then `step` tried again; else it has
  // failed with `status`.
  void Recover(Step& step, Status status, const std::vector<Plan::StepId>& inputs);
  void Fail(Step& step, Status status, const std::vector<Plan::StepId>& lost);
  void OnFinished(Plan::RequestId id, const Status& status);
  void Remember(const llb::Vertex& vertex, absl::Duration duration);

  // The done steps below `target`, inputs before what is made of them.
  std::vector<const Step*> DoneBelow(const std::shared_ptr<BuildState>& build,
                                     const StepEdge& target);

  // On workers:
  struct RunResult {
    Status status;
    std::vector<OpOutput> outputs;
    absl::Duration duration;
    bool fetched = false;  // from a cache elsewhere
  };
  RunResult Run(Step& step, Attempt& attempt);
  // Brings in what a cache elsewhere has of the step; false when it cannot be had.
  bool FetchStep(Step& step, Attempt& attempt, RunResult& result);
  void RecordRun(Step& step, const RunResult& result);

  const Options options_;

  Mutex mu_;
  CondVar changed_;
  std::deque<std::function<void()>> mailbox_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  // The scheduler thread's own.
  Plan plan_;
  std::map<Plan::StepId, std::unique_ptr<Step>> steps_;
  absl::flat_hash_map<Digest, Plan::StepId> index_;  // identity -> step that may be shared
  std::map<Plan::RequestId, Request> requests_;
  int64_t last_request_ = 0;
  // What a vertex of that name last took; forgotten when it grows too large.
  absl::flat_hash_map<std::string, absl::Duration> durations_;
  std::vector<std::unique_ptr<Step>> forgotten_;

  std::unique_ptr<WorkerPool> workers_;
  std::thread thread_;
};

}  // namespace cairn::solver

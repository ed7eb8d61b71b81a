#include "daemon/solver/scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/ops.pb.h"
#include "runtime/base/thread_pool.h"

namespace cairn::solver {
namespace {

constexpr size_t kMaxRememberedDurations = 10'000;

}  // namespace

// Where a caller of Evaluate waits; shared with the request.
struct Scheduler::Waiter {
  Mutex mu;
  CondVar changed;
  std::optional<StatusOr<layer::Chain>> result ABSL_GUARDED_BY(mu);

  // The first result stays.
  void Set(StatusOr<layer::Chain> value) {
    MutexLock lock(mu);
    if (!result) {
      result = std::move(value);
      changed.NotifyAll();
    }
  }

  StatusOr<layer::Chain> Wait() {
    MutexLock lock(mu);
    while (!result) {
      changed.Wait(mu);
    }
    return *result;
  }
};

// Opens once.
struct Scheduler::Gate {
  Mutex mu;
  CondVar changed;
  bool is_open ABSL_GUARDED_BY(mu) = false;

  void Open() {
    MutexLock lock(mu);
    is_open = true;
    changed.NotifyAll();
  }

  void Wait() {
    MutexLock lock(mu);
    while (!is_open) {
      changed.Wait(mu);
    }
  }
};

Scheduler::Scheduler(Options options)
    : options_(std::move(options)),
      plan_(options_.slots),
      workers_(std::make_unique<WorkerPool>("solver", options_.workers)),
      thread_(StartThread("scheduler", [this] { Loop(); })) {}

Scheduler::~Scheduler() {
  workers_.reset();  // answers that are under way still reach the thread
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void Scheduler::Post(std::function<void()> event) {
  MutexLock lock(mu_);
  mailbox_.push_back(std::move(event));
  changed_.NotifyAll();
}

void Scheduler::Call(const std::function<void()>& event) {
  Mutex mu;
  CondVar changed;
  bool done = false;
  Post([&] {
    event();
    MutexLock lock(mu);
    done = true;
    changed.NotifyAll();
  });
  MutexLock lock(mu);
  while (!done) {
    changed.Wait(mu);
  }
}

void Scheduler::Loop() {
  while (true) {
    std::function<void()> event;
    {
      MutexLock lock(mu_);
      while (mailbox_.empty() && !stopping_) {
        changed_.Wait(mu_);
      }
      if (mailbox_.empty()) {
        return;
      }
      event = std::move(mailbox_.front());
      mailbox_.pop_front();
    }
    event();
    CarryOut();
    if (!forgotten_.empty()) {
      // Leases and operations may do I/O when they go. Shared because a task must be copyable.
      auto forgotten = std::make_shared<std::vector<std::unique_ptr<Step>>>(std::move(forgotten_));
      forgotten_.clear();
      if (workers_ != nullptr) {
        workers_->Post([forgotten] { forgotten->clear(); });
      }
    }
  }
}

StatusOr<StepEdge> Scheduler::Load(const std::shared_ptr<BuildState>& build,
                                   const llb::Graph& graph) {
  RETURN_IF_ERROR(build->cancel().Check());
  ASSIGN_OR_RETURN(std::vector<StepDraft> drafts,
                   MakeDrafts(graph, build->entitlements(), build->session_group(),
                              options_.devices, options_.make_op));
  for (auto it = drafts.rbegin(); it != drafts.rend(); ++it) {
    build->progress().Write(Announcement(*it->vertex));
  }
  StepEdge target{.output = graph.target()->index};
  Call([&] {
    absl::flat_hash_map<Digest, Plan::StepId> ids;  // by vertex
    for (StepDraft& draft : drafts) {
      for (const llb::Edge& input : draft.vertex->inputs) {
        draft.inputs.push_back({.step = ids.at(input.vertex), .output = input.index});
      }
      const Digest vertex = draft.vertex->digest;
      ids[vertex] = Intern(draft, build).id;
    }
    target.step = ids.at(graph.target()->vertex);
  });
  return target;
}

// The step for `draft`: one that another build has, unless it has failed or hangs on one that had.
Step& Scheduler::Intern(StepDraft& draft, const std::shared_ptr<BuildState>& build) {
  const auto found = index_.find(draft.identity);
  Step* step = found == index_.end() ? nullptr : &StepOf(found->second);
  if (step != nullptr &&
      (plan_.state(step->id) == Plan::State::kFailed || step->inputs != draft.inputs)) {
    step = nullptr;
  }
  if (step == nullptr) {
    Plan::StepOptions options{.ignore_cache = draft.vertex->metadata->ignore_cache(),
                              .takes_slot = draft.op->takes_slot()};
    for (const StepEdge& input : draft.inputs) {
      options.inputs.push_back(input.step);
    }
    const auto remembered = durations_.find(draft.vertex->name);
    if (remembered != durations_.end()) {
      options.expected = remembered->second;
    }
    auto made = std::make_unique<Step>(options_.clock, options_.log_limits);
    step = made.get();
    step->id = plan_.Add(std::move(options));
    step->identity = draft.identity;
    step->vertex = draft.vertex;
    step->inputs = draft.inputs;
    step->op = std::move(draft.op);
    steps_[step->id] = std::move(made);
    index_[draft.identity] = step->id;
  }
  if (std::find(step->builds.begin(), step->builds.end(), build) == step->builds.end()) {
    step->builds.push_back(build);
    VertexEvent event = Announcement(*draft.vertex);
    step->progress.AddListener(build->shared_progress(), event);
    if (step->done) {
      event.started = options_.clock.Now();
      event.completed = event.started;
      event.cached = true;
      build->progress().Write(event);
    }
  }
  return *step;
}

void Scheduler::Want(const Request& request, Plan::RequestId* id) {
  *id = Plan::RequestId{++last_request_};
  if (!HasLoaded(request.build, request.target.step)) {
    request.waiter->Set(absl::CancelledError("context canceled"));
    return;
  }
  requests_.emplace(*id, request);
  plan_.Want(*id, request.target.step);
}

StatusOr<layer::Chain> Scheduler::Evaluate(const std::shared_ptr<BuildState>& build,
                                           const StepEdge& target, const CancelToken& cancel) {
  const auto waiter = std::make_shared<Waiter>();
  const auto id = std::make_shared<Plan::RequestId>();
  Post([this, build, target, waiter, id] {
    Want({.build = build, .target = target, .waiter = waiter}, id.get());
  });
  const CancelToken build_cancel = build->cancel();
  const CancelCallback on_cancel(cancel, [&] { waiter->Set(cancel.Check()); });
  const CancelCallback on_end(build_cancel, [&] { waiter->Set(build_cancel.Check()); });
  StatusOr<layer::Chain> result = waiter->Wait();
  if (absl::IsCancelled(result.status())) {
    Post([this, id] {
      plan_.Drop(*id);
      requests_.erase(*id);
    });
  }
  return result;
}

void Scheduler::Unload(const std::shared_ptr<BuildState>& build) {
  std::vector<std::unique_ptr<Step>> forgotten;
  const auto stopped = std::make_shared<Gate>();
  // Held by the steps that are stopping; the last one opens the gate.
  std::shared_ptr<void> stopping(nullptr, [stopped](void*) { stopped->Open(); });
  Call([&] {
    std::vector<Plan::RequestId> dropped;
    for (const auto& [id, request] : requests_) {
      if (request.build == build) {
        request.waiter->Set(absl::CancelledError("context canceled"));
        dropped.push_back(id);
      }
    }
    for (const Plan::RequestId id : dropped) {
      plan_.Drop(id);
      requests_.erase(id);
    }
    CarryOut();
    for (const auto& [id, step] : steps_) {
      const auto found = std::find(step->builds.begin(), step->builds.end(), build);
      if (found == step->builds.end()) {
        continue;
      }
      step->progress.RemoveListener(&build->progress());
      step->builds.erase(found);
      if (step->builds.empty()) {
        const auto indexed = index_.find(step->identity);
        if (indexed != index_.end() && indexed->second == id) {
          index_.erase(indexed);
        }
        plan_.Forget(id);
      }
    }
    CarryOut();
    for (const auto& [id, step] : steps_) {
      if (step->builds.empty() && step->awaited == nullptr &&
          plan_.state(id) == Plan::State::kStopping) {
        step->awaited = stopping;
      }
    }
    forgotten.swap(forgotten_);
  });
  stopping.reset();
  stopped->Wait();
}

void Scheduler::CarryOut() {
  for (auto actions = plan_.TakeActions(); !actions.empty(); actions = plan_.TakeActions()) {
    for (const Plan::Action& action : actions) {
      CarryOut(action);
    }
  }
}

void Scheduler::CarryOut(const Plan::Action& action) {
  switch (action.kind) {
    case Plan::Action::Kind::kPrepare:
      DoPrepare(StepOf(action.step));
      return;
    case Plan::Action::Kind::kComputeKey:
      DoComputeKey(StepOf(action.step));
      return;
    case Plan::Action::Kind::kLookUp:
      DoLookUp(StepOf(action.step));
      return;
    case Plan::Action::Kind::kFollow:
      StepOf(action.leader).progress.AddListenersOf(StepOf(action.step).progress);
      return;
    case Plan::Action::Kind::kAdopt:
      Adopt(StepOf(action.step), StepOf(action.leader));
      return;
    case Plan::Action::Kind::kRun:
      DoRun(StepOf(action.step));
      return;
    case Plan::Action::Kind::kCancel:
      StepOf(action.step).cancel->Cancel();
      return;
    case Plan::Action::Kind::kReset:
      StepOf(action.step).outputs.clear();
      StepOf(action.step).done = false;
      return;
    case Plan::Action::Kind::kFinish:
      OnFinished(action.request, action.status);
      return;
    case Plan::Action::Kind::kForget:
      forgotten_.push_back(std::move(steps_.at(action.step)));
      steps_.erase(action.step);
      return;
  }
}

void Scheduler::OnDone(Step& step, std::vector<OpOutput> outputs, bool cached) {
  step.cached = cached;
  step.outputs = std::move(outputs);
  step.done = true;
  step.progress.ForgetJournal();
}

void Scheduler::OnFinished(Plan::RequestId id, const Status& status) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) {
    return;
  }
  const Request request = std::move(found->second);
  requests_.erase(found);
  if (!status.ok()) {
    request.waiter->Set(status);
    return;
  }
  const Step& step = StepOf(request.target.step);
  const int64_t output = request.target.output;
  if (output < 0 || output >= static_cast<int64_t>(step.outputs.size())) {
    request.waiter->Set(absl::InvalidArgumentError(
        absl::StrCat("vertex ", step.vertex->digest.ToString(), " has no output ", output)));
    return;
  }
  request.waiter->Set(step.outputs[output].chain);
}

void Scheduler::Remember(const llb::Vertex& vertex, absl::Duration duration) {
  if (durations_.size() >= kMaxRememberedDurations) {
    durations_.clear();
  }
  durations_[vertex.name] = duration;
}

}  // namespace cairn::solver

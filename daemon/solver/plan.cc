#include "daemon/solver/plan.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"

namespace cairn::solver {
namespace {

// How often a step may be tried again because its inputs' bytes were lost or because the build that
// ran it went away.
constexpr int kMaxRetries = 3;

// A step without a remembered duration counts as this much, so that longer chains go first.
constexpr double kUnknownSeconds = 0.1;

double ExpectedSeconds(const Plan::StepOptions& options) {
  return std::max(kUnknownSeconds, absl::ToDoubleSeconds(options.expected));
}

}  // namespace

Plan::StepId Plan::Add(StepOptions options) {
  const StepId id{++last_id_};
  for (const StepId input : options.inputs) {
    std::vector<StepId>& dependents = Get(input).dependents;
    if (dependents.empty() || dependents.back() != id) {  // an input may be used twice
      dependents.push_back(id);
    }
  }
  steps_[id].options = std::move(options);
  return id;
}

// The unfinished steps that `target` needs and itself, each after its inputs. Iterative: graphs may
// be ten thousand deep.
std::vector<Plan::StepId> Plan::InputsFirst(StepId target) const {
  std::vector<StepId> order;
  absl::flat_hash_set<StepId> seen = {target};
  std::vector<std::pair<StepId, size_t>> stack = {{target, 0}};
  while (!stack.empty()) {
    const StepId id = stack.back().first;
    const Step& step = Get(id);
    const bool needs_inputs = step.state != State::kDone;
    if (needs_inputs && stack.back().second < step.options.inputs.size()) {
      const StepId input = step.options.inputs[stack.back().second++];
      if (seen.insert(input).second) {
        stack.push_back({input, 0});
      }
      continue;
    }
    stack.pop_back();
    if (needs_inputs) {
      order.push_back(id);
    }
  }
  return order;
}

// Marks what `target` still needs as wanted by `request` and starts what is idle.
void Plan::Mark(RequestId request, StepId target) {
  const std::vector<StepId> order = InputsFirst(target);
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const Step& step = Get(*it);
    RaisePriority(*it, ExpectedSeconds(step.options));
    for (const StepId input : step.options.inputs) {
      RaisePriority(input, step.priority + ExpectedSeconds(Get(input).options));
    }
  }
  for (const StepId id : order) {
    if (Get(id).wanted_by.insert(request).second) {
      requests_[request].steps.push_back(id);
    }
  }
  for (const StepId id : order) {
    if (Get(id).state == State::kIdle) {
      Start(id);
    }
  }
}

void Plan::RaisePriority(StepId id, double priority) {
  Step& step = Get(id);
  if (priority <= step.priority) {
    return;
  }
  if (ready_.erase({-step.priority, id}) > 0) {
    ready_.insert({-priority, id});
  }
  step.priority = priority;
}

void Plan::Want(RequestId request, StepId target) {
  requests_[request].target = target;
  if (Get(target).state == State::kDone) {
    EndRequests(target, absl::OkStatus());
    return;
  }
  for (const StepId id : InputsFirst(target)) {
    if (Get(id).state == State::kFailed) {
      actions_.push_back(
          {.kind = Action::Kind::kFinish, .request = request, .status = Get(id).failure});
      requests_.erase(request);
      return;
    }
  }
  Mark(request, target);
}

void Plan::Drop(RequestId request) {
  if (requests_.count(request) > 0) {
    Unwant(request);
    Dispatch();
  }
}

void Plan::Start(StepId id) {
  Step& step = Get(id);
  step.state = State::kWaiting;
  step.pending_inputs = 0;
  for (const StepId input : step.options.inputs) {
    step.pending_inputs += Get(input).state == State::kDone ? 0 : 1;
  }
  if (!step.preparation) {
    step.active = true;
    Do(Action::Kind::kPrepare, id);
    return;
  }
  Advance(id);
}

// A waiting step goes on when it has been prepared and has all its inputs.
void Plan::Advance(StepId id) {
  Step& step = Get(id);
  if (step.state != State::kWaiting || step.active || !step.preparation) {
    return;
  }
  if (step.preparation->is_done) {
    Finish(id);
    return;
  }
  if (step.pending_inputs > 0) {
    return;
  }
  if (!step.preparation->has_key) {
    MakeReady(id);
    return;
  }
  step.state = State::kKeying;
  step.active = true;
  Do(Action::Kind::kComputeKey, id);
}

// Notes that the action of `id` has answered. False when the step was given up meanwhile; then it
// has been dealt with.
bool Plan::ActionAnswered(StepId id) {
  Step& step = Get(id);
  step.active = false;
  if (step.state == State::kStopping) {
    Settle(id);
    return false;
  }
  if (step.state == State::kFailed) {
    MaybeErase(id);
    return false;
  }
  return true;
}

// A step that had been cancelled has stopped.
void Plan::Settle(StepId id) {
  Step& step = Get(id);
  ReleaseKey(id);
  ReleaseSlot(step);
  step.state = State::kIdle;
  if (!step.wanted_by.empty()) {
    Start(id);
  }
  Dispatch();
  MaybeErase(id);
}

void Plan::Prepared(StepId id, Preparation preparation) {
  Get(id).preparation = preparation;
  if (ActionAnswered(id)) {
    Advance(id);
  }
}

void Plan::KeyComputed(StepId id, const Digest& key) {
  if (!ActionAnswered(id)) {
    return;
  }
  Get(id).key = key;
  ClaimKey(id);
}

void Plan::ClaimKey(StepId id) {
  Step& step = Get(id);
  const auto [leader, claimed] = leaders_.try_emplace(*step.key, id);
  if (!claimed) {
    step.state = State::kFollowing;
    step.leader = leader->second;
    Get(step.leader).followers.push_back(id);
    actions_.push_back({.kind = Action::Kind::kFollow, .step = id, .leader = step.leader});
    return;
  }
  step.leads = true;
  if (step.options.ignore_cache || step.result_lost) {
    MakeReady(id);
    return;
  }
  step.state = State::kLookingUp;
  step.active = true;
  Do(Action::Kind::kLookUp, id);
}

void Plan::LookedUp(StepId id, bool hit) {
  if (!ActionAnswered(id)) {
    return;
  }
  if (hit) {
    Get(id).was_hit = true;
    Finish(id);
  } else {
    MakeReady(id);
  }
}

void Plan::MakeReady(StepId id) {
  Step& step = Get(id);
  if (!step.options.takes_slot) {
    Run(id);
    return;
  }
  step.state = State::kReady;
  ready_.insert({-step.priority, id});
  Dispatch();
}

void Plan::Dispatch() {
  while (slots_taken_ < slots_ && !ready_.empty()) {
    const StepId id = ready_.begin()->second;
    ready_.erase(ready_.begin());
    Get(id).holds_slot = true;
    ++slots_taken_;
    Run(id);
  }
}

void Plan::Run(StepId id) {
  Step& step = Get(id);
  step.was_hit = false;
  step.state = State::kRunning;
  step.active = true;
  Do(Action::Kind::kRun, id);
}

void Plan::ReleaseSlot(Step& step) {
  if (step.holds_slot) {
    step.holds_slot = false;
    --slots_taken_;
  }
}

void Plan::Ran(StepId id) {
  Step& step = Get(id);
  step.active = false;
  // A result that came in spite of a cancellation is as good as any.
  if (step.state == State::kRunning || step.state == State::kStopping) {
    Finish(id);
  } else {
    MaybeErase(id);
  }
}

void Plan::Finish(StepId id) {
  std::vector<StepId> finished = {id};
  while (!finished.empty()) {
    const StepId current = finished.back();
    finished.pop_back();
    Step& step = Get(current);
    step.state = State::kDone;
    step.result_lost = false;
    ReleaseSlot(step);
    if (step.leads) {
      step.leads = false;
      leaders_.erase(*step.key);
    }
    for (const StepId follower : std::exchange(step.followers, {})) {
      if (step.was_hit && Get(follower).options.ignore_cache) {
        ClaimKey(follower);
        continue;
      }
      actions_.push_back({.kind = Action::Kind::kAdopt, .step = follower, .leader = current});
      finished.push_back(follower);
    }
    EndRequests(current, absl::OkStatus());
    const std::vector<StepId> dependents = step.dependents;
    for (const StepId dependent : dependents) {
      Step& above = Get(dependent);
      if (above.state != State::kWaiting) {
        continue;
      }
      for (const StepId input : above.options.inputs) {
        above.pending_inputs -= input == current ? 1 : 0;
      }
      Advance(dependent);
    }
    MaybeErase(current);
  }
  Dispatch();
}

void Plan::Failed(StepId id, Status status, const std::vector<StepId>& lost) {
  if (!ActionAnswered(id)) {
    return;
  }
  Step& step = Get(id);
  const bool went_away = absl::IsCancelled(status) && !step.wanted_by.empty();
  if ((lost.empty() && !went_away) || step.retries >= kMaxRetries) {
    Fail(id, status);
    Dispatch();
    return;
  }
  ++step.retries;
  ReleaseKey(id);
  ReleaseSlot(step);
  step.state = State::kIdle;
  Lose(lost);
  const std::set<RequestId> requests = step.wanted_by;
  for (const RequestId request : requests) {
    Mark(request, id);
  }
  Dispatch();
}

void Plan::InputsChanged(StepId id) {
  if (!ActionAnswered(id)) {
    return;
  }
  Step& step = Get(id);
  ReleaseKey(id);
  ReleaseSlot(step);
  step.state = State::kIdle;
  const std::set<RequestId> requests = step.wanted_by;
  for (const RequestId request : requests) {
    Mark(request, id);
  }
  Dispatch();
}

void Plan::Lose(const std::vector<StepId>& lost) {
  std::vector<StepId> stale;
  for (const StepId id : lost) {
    const auto found = steps_.find(id);
    if (found != steps_.end() && found->second.state == State::kDone) {
      found->second.result_lost = true;
      stale.push_back(id);
    }
  }
  std::vector<StepId> waiting;
  while (!stale.empty()) {
    const StepId id = stale.back();
    stale.pop_back();
    Step& step = Get(id);
    if (step.state != State::kDone) {
      continue;
    }
    Reset(id, &waiting);
    for (const StepId dependent : step.dependents) {
      if (Get(dependent).state == State::kDone) {
        stale.push_back(dependent);
      }
    }
  }
  for (const StepId id : waiting) {
    const std::set<RequestId> requests = Get(id).wanted_by;
    for (const RequestId request : requests) {
      Mark(request, id);
    }
  }
}

// Makes a done step idle. Those that wait for others besides it are added to `waiting`: they wait
// for it again.
void Plan::Reset(StepId id, std::vector<StepId>* waiting) {
  Step& step = Get(id);
  step.state = State::kIdle;
  if (step.preparation && step.preparation->is_done) {
    step.preparation.reset();
  }
  Do(Action::Kind::kReset, id);
  for (const StepId dependent : step.dependents) {
    Step& above = Get(dependent);
    if (above.state != State::kWaiting) {
      continue;
    }
    for (const StepId input : above.options.inputs) {
      above.pending_inputs += input == id ? 1 : 0;
    }
    waiting->push_back(dependent);
  }
}

// Gives the key of `id` up. Those that followed it decide anew: one of them leads.
void Plan::ReleaseKey(StepId id) {
  Step& step = Get(id);
  if (!step.leads) {
    return;
  }
  step.leads = false;
  leaders_.erase(*step.key);
  for (const StepId follower : std::exchange(step.followers, {})) {
    ClaimKey(follower);
  }
}

void Plan::Fail(StepId id, const Status& status) {
  std::vector<StepId> failed = {id};
  while (!failed.empty()) {
    const StepId current = failed.back();
    failed.pop_back();
    Step& step = Get(current);
    if (step.state == State::kFailed || step.state == State::kDone) {
      continue;
    }
    Abandon(current);
    step.state = State::kFailed;
    step.failure = status;
    ReleaseKey(current);
    ReleaseSlot(step);
    for (const StepId dependent : step.dependents) {
      const Step& above = Get(dependent);
      const bool waits = above.state == State::kWaiting || above.state == State::kStopping;
      if (waits && !above.wanted_by.empty()) {
        failed.push_back(dependent);
      }
    }
    EndRequests(current, status);
  }
}

// Takes a step out of whatever it waits in, and cancels what it is doing.
void Plan::Abandon(StepId id) {
  Step& step = Get(id);
  if (step.active) {
    if (step.state != State::kStopping) {
      Do(Action::Kind::kCancel, id);
    }
    return;
  }
  if (step.state == State::kReady) {
    ready_.erase({-step.priority, id});
  }
  if (step.state == State::kFollowing) {
    std::vector<StepId>& followers = Get(step.leader).followers;
    followers.erase(std::remove(followers.begin(), followers.end(), id), followers.end());
  }
}

void Plan::EndRequests(StepId target, const Status& status) {
  std::vector<RequestId> ended;
  for (const auto& [id, request] : requests_) {
    if (request.target == target) {
      ended.push_back(id);
    }
  }
  for (const RequestId request : ended) {
    actions_.push_back({.kind = Action::Kind::kFinish, .request = request, .status = status});
    Unwant(request);
  }
}

// Removes `request`; what nobody else wants stops.
void Plan::Unwant(RequestId request) {
  const std::vector<StepId> steps = std::move(requests_[request].steps);
  requests_.erase(request);
  for (const StepId id : steps) {
    const auto found = steps_.find(id);
    if (found == steps_.end()) {
      continue;
    }
    Step& step = found->second;
    step.wanted_by.erase(request);
    if (!step.wanted_by.empty() || step.state == State::kDone || step.state == State::kFailed ||
        step.state == State::kIdle || step.state == State::kStopping) {
      continue;
    }
    Abandon(id);
    step.priority = 0;
    if (step.active) {
      step.state = State::kStopping;
      continue;
    }
    step.state = State::kIdle;
    ReleaseKey(id);
  }
}

void Plan::Forget(StepId id) {
  Get(id).forgotten = true;
  MaybeErase(id);
}

void Plan::MaybeErase(StepId id) {
  Step& step = Get(id);
  const bool settled =
      step.state == State::kIdle || step.state == State::kDone || step.state == State::kFailed;
  if (!step.forgotten || step.active || !settled) {
    return;
  }
  // Whatever depends on a forgotten step is forgotten too and will not look at it again.
  for (const StepId input : step.options.inputs) {
    const auto found = steps_.find(input);
    if (found != steps_.end()) {
      std::vector<StepId>& dependents = found->second.dependents;
      dependents.erase(std::remove(dependents.begin(), dependents.end(), id), dependents.end());
    }
  }
  for (const StepId dependent : step.dependents) {
    std::vector<StepId>& inputs = Get(dependent).options.inputs;
    inputs.erase(std::remove(inputs.begin(), inputs.end(), id), inputs.end());
  }
  steps_.erase(id);
  Do(Action::Kind::kForget, id);
}

std::vector<Plan::StepId> Plan::WaitsFor(StepId id) const {
  const Step& step = Get(id);
  if (step.state == State::kFollowing) {
    return {step.leader};
  }
  std::vector<StepId> waits;
  if (step.state == State::kWaiting) {
    for (const StepId input : step.options.inputs) {
      if (Get(input).state != State::kDone) {
        waits.push_back(input);
      }
    }
  }
  return waits;
}

std::vector<Plan::StepId> Plan::Unfinished(RequestId request) const {
  std::vector<StepId> unfinished;
  const auto found = requests_.find(request);
  if (found == requests_.end()) {
    return unfinished;
  }
  for (const StepId id : found->second.steps) {
    const State state = Get(id).state;
    if (state != State::kDone && state != State::kFailed) {
      unfinished.push_back(id);
    }
  }
  return unfinished;
}

string_view StateName(Plan::State state) {
  switch (state) {
    case Plan::State::kIdle:
      return "idle";
    case Plan::State::kWaiting:
      return "waiting";
    case Plan::State::kKeying:
      return "computing its key";
    case Plan::State::kFollowing:
      return "following";
    case Plan::State::kLookingUp:
      return "looking up";
    case Plan::State::kReady:
      return "waiting for a slot";
    case Plan::State::kRunning:
      return "running";
    case Plan::State::kDone:
      return "done";
    case Plan::State::kFailed:
      return "failed";
    case Plan::State::kStopping:
      return "stopping";
  }
  return "";
}

}  // namespace cairn::solver

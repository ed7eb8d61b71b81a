// Plan: what has to happen before some steps are done, and in which order.
//
// A pure state machine: it starts nothing, waits for nothing and knows no clock. Its owner tells it
// what happened (Prepared, LookedUp, Ran, Failed, ...) and carries out the actions that it answers
// with, in their order. The scheduler is that owner; tests are another.
//
// The life of a step that some request wants:
//
//   kIdle -> kWaiting    prepared, and its inputs done, both at once
//         -> kKeying     the step key is computed from the inputs' content
//         -> kFollowing  another step with this key is on its way: wait for it, take its result
//         -> kLookingUp  in the step table; a hit is kDone
//         -> kReady      missed; waits for a slot when it needs one, longest expected path first
//         -> kRunning -> kDone or kFailed
//
// A step that nobody wants any more is cancelled (kStopping) and becomes kIdle again, so that a
// later request starts it anew. What a failed step was needed for fails with it; others go on.
//
// Not thread-safe; owned by the scheduler's thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::solver {

class Plan {
 public:
  enum class StepId : int64_t {};
  enum class RequestId : int64_t {};

  enum class State {
    kIdle,
    kWaiting,
    kKeying,
    kFollowing,
    kLookingUp,
    kReady,
    kRunning,
    kDone,
    kFailed,
    kStopping,
  };

  struct StepOptions {
    std::vector<StepId> inputs;
    bool ignore_cache = false;  // never looked up; its result is kept all the same
    bool takes_slot = false;
    // What it took when it last ran: the longest path through the graph goes first.
    absl::Duration expected = absl::ZeroDuration();
  };

  struct Action {
    enum class Kind {
      kPrepare,     // -> Prepared or Failed
      kComputeKey,  // -> KeyComputed or Failed
      kLookUp,      // -> LookedUp or Failed
      kFollow,      // show `leader`'s progress as `step`'s too; no answer
      kAdopt,       // give `step` the result that `leader` has; no answer
      kRun,         // -> Ran or Failed
      kCancel,      // stop what `step` is doing; it still answers
      kReset,       // `step`'s result is lost: drop it; no answer
      kFinish,      // `request` has ended with `status`; no answer
      kForget,      // the plan has dropped `step`; no answer
    };
    Kind kind;
    StepId step{};
    StepId leader{};
    RequestId request{};
    Status status;
  };

  explicit Plan(int slots) : slots_(slots) {}

  // A new idle step. Its inputs must be in the plan.
  StepId Add(StepOptions options);

  // Everything `target` needs is wanted by `request`, a number that is used once.
  void Want(RequestId request, StepId target);

  // `request` wants nothing any more; no kFinish follows. Does nothing for one that has ended.
  void Drop(RequestId request);

  // Nobody will ask for `step` again: it goes when it has settled.
  void Forget(StepId step);

  // Answers. Those of a step that has been given up meanwhile are accepted and ignored.

  struct Preparation {
    bool has_key = false;
    bool is_done = false;  // preparing was all there was to do
  };
  void Prepared(StepId step, Preparation preparation);
  void KeyComputed(StepId step, const Digest& key);
  void LookedUp(StepId step, bool hit);
  void Ran(StepId step);
  // `lost`: steps below whose recorded bytes turned out to be gone (see Lose); then the step has
  // another try.
  void Failed(StepId step, Status status, const std::vector<StepId>& lost = {});
  // Instead of any other answer: what the action was to work on is no longer what the inputs came
  // to, as one of them was lost meanwhile. The step waits for them again.
  void InputsChanged(StepId step);

  // Bytes of what these steps made are gone. Those of them that are done are idle again and will
  // run without a look-up; what was made of theirs is idle again, too, and may be looked up.
  void Lose(const std::vector<StepId>& lost);

  // What to do now, in this order; each action is returned once.
  std::vector<Action> TakeActions() { return std::exchange(actions_, {}); }

  State state(StepId step) const { return Get(step).state; }
  // The inputs that a waiting step waits for, and the step that a following one follows.
  std::vector<StepId> WaitsFor(StepId step) const;
  // The unfinished steps that `request` wants.
  std::vector<StepId> Unfinished(RequestId request) const;

 private:
  struct Step {
    StepOptions options;
    std::vector<StepId> dependents;
    State state = State::kIdle;
    std::set<RequestId> wanted_by;
    bool active = false;  // an action that answers is out
    bool forgotten = false;
    std::optional<Preparation> preparation;
    int pending_inputs = 0;  // while kWaiting: inputs that are not done
    std::optional<Digest> key;
    bool leads = false;  // is the one with this key that others follow
    StepId leader{};     // while kFollowing
    std::vector<StepId> followers;
    bool was_hit = false;      // the result came from the step table
    bool result_lost = false;  // the table's record of it is not to be used
    int retries = 0;
    double priority = 0;  // seconds from its start to the end of the longest request
    bool holds_slot = false;
    Status failure;
  };

  struct Request {
    StepId target{};
    std::vector<StepId> steps;  // all that it marked
  };

  Step& Get(StepId id) { return steps_.at(id); }
  const Step& Get(StepId id) const { return steps_.at(id); }

  std::vector<StepId> InputsFirst(StepId target) const;
  void Mark(RequestId request, StepId target);
  void RaisePriority(StepId id, double priority);
  void Start(StepId id);
  void Advance(StepId id);
  void ClaimKey(StepId id);
  void MakeReady(StepId id);
  void Dispatch();
  void Run(StepId id);
  void Finish(StepId id);
  void Fail(StepId id, const Status& status);
  void Abandon(StepId id);
  void Settle(StepId id);
  void ReleaseKey(StepId id);
  void ReleaseSlot(Step& step);
  void Unwant(RequestId request);
  void EndRequests(StepId target, const Status& status);
  void Reset(StepId id, std::vector<StepId>* waiting);
  void MaybeErase(StepId id);
  bool ActionAnswered(StepId id);

  void Do(Action::Kind kind, StepId step) { actions_.push_back({.kind = kind, .step = step}); }

  const int slots_;
  int slots_taken_ = 0;
  int64_t last_id_ = 0;
  std::map<StepId, Step> steps_;
  std::map<RequestId, Request> requests_;
  absl::flat_hash_map<Digest, StepId> leaders_;  // by key
  // Steps that wait for a slot, most urgent first.
  std::set<std::pair<double, StepId>> ready_;
  std::vector<Action> actions_;
};

// "waiting", "running", ...
string_view StateName(Plan::State state);

}  // namespace cairn::solver

// The part of Scheduler that carries out what the plan wants done with a step: on a worker, and
// back on the scheduler's thread.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/solver/scheduler.h"
#include "daemon/solver/scheduler_attempt.h"
#include "daemon/solver/vertex_errors.h"
#include "proto/ops.pb.h"

namespace cairn::solver {

// The first build that still runs stands for all where only one can.
std::shared_ptr<Scheduler::Attempt> Scheduler::NewAttempt(Step& step) {
  step.cancel = std::make_unique<CancelSource>();
  if (step.lease == nullptr) {
    step.lease = options_.ledger.NewLease();
  }
  auto attempt = std::make_shared<Attempt>();
  attempt->cancel = step.cancel->token();
  attempt->builds = step.builds;
  std::vector<std::string> sessions;
  for (const auto& build : step.builds) {
    if (build->cancel().cancelled() && attempt->build == nullptr && build != step.builds.back()) {
      continue;
    }
    for (const std::string& id : build->session_group().ids()) {
      if (std::find(sessions.begin(), sessions.end(), id) == sessions.end()) {
        sessions.push_back(id);
      }
    }
    attempt->entitlements = attempt->build == nullptr
                                ? build->entitlements()
                                : attempt->entitlements.Intersect(build->entitlements());
    if (attempt->build == nullptr) {
      attempt->build = build;
    }
  }
  attempt->sessions = session::SessionGroup(std::move(sessions));
  return attempt;
}

void Scheduler::DoPrepare(Step& step) {
  const auto attempt = NewAttempt(step);
  if (step.vertex->op->has_source()) {
    step.progress.Start();
  }
  workers_->Post([this, &step, attempt] {
    OpContext context = attempt->ContextFor(step);
    // Shared because an event must be copyable.
    auto prepared = std::make_shared<StatusOr<Prepared>>(step.op->Prepare(context));
    Post([this, &step, prepared] { OnPrepared(step, std::move(*prepared)); });
  });
}

void Scheduler::OnPrepared(Step& step, StatusOr<Prepared> prepared) {
  if (!prepared.ok()) {
    OnFailed(step, prepared.status());
    return;
  }
  step.prepared = *std::move(prepared);
  const Plan::Preparation preparation{.has_key = step.prepared->key.has_value(),
                                      .is_done = step.prepared->ready.has_value()};
  step.progress.Finish("");
  if (preparation.is_done) {
    OnDone(step, *std::move(step.prepared->ready), /*cached=*/false);
    step.prepared->ready.reset();
  }
  plan_.Prepared(step.id, preparation);
}

Status Scheduler::GatherInputs(Step& step) {
  step.input_chains.clear();
  step.input_keys.clear();
  for (const StepEdge& edge : step.inputs) {
    const Step& input = StepOf(edge.step);
    if (edge.output < 0 || edge.output >= static_cast<int64_t>(input.outputs.size())) {
      return absl::InvalidArgumentError(
          absl::StrCat("vertex ", input.vertex->digest.ToString(), " has no output ", edge.output));
    }
    step.input_chains.push_back(input.outputs[edge.output].chain);
    step.input_keys.push_back(input.key ? std::optional<Digest>(input.key->digest) : std::nullopt);
  }
  return absl::OkStatus();
}

bool Scheduler::AreInputsDone(const Step& step) const {
  return std::all_of(step.inputs.begin(), step.inputs.end(), [this](const StepEdge& edge) {
    const auto input = steps_.find(edge.step);
    return input != steps_.end() && input->second->done;
  });
}

bool Scheduler::HaveInputsChanged(const Step& step) const {
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const auto found = steps_.find(step.inputs[i].step);
    if (found == steps_.end()) {
      return false;  // all is being let go of
    }
    const Step& input = *found->second;
    const auto output = static_cast<size_t>(step.inputs[i].output);
    if (!input.done || output >= input.outputs.size() || i >= step.input_chains.size() ||
        input.outputs[output].chain != step.input_chains[i]) {
      return true;
    }
  }
  return false;
}

void Scheduler::DoComputeKey(Step& step) {
  if (!AreInputsDone(step)) {
    plan_.InputsChanged(step.id);
    return;
  }
  const auto attempt = NewAttempt(step);
  Status gathered = GatherInputs(step);
  if (!gathered.ok()) {
    OnFailed(step, std::move(gathered));
    return;
  }
  workers_->Post([this, &step, attempt] {
    auto key = std::make_shared<StatusOr<StepKey>>(options_.runner.ComputeKey(
        *step.prepared, step.input_chains, [&](const Digest& content, const Digest& selection) {
          return attempt->FindSelection(content, selection);
        }));
    if (!key->ok()) {
      *key = WithKeyInput(key->status(), *step.vertex, step.input_chains,
                          attempt->ContextFor(step).keep);
    }
    Post([this, &step, key] {
      if (!key->ok()) {
        OnFailed(step, key->status());
        return;
      }
      if (HaveInputsChanged(step)) {
        plan_.InputsChanged(step.id);
        return;
      }
      if (step.key && step.key->digest != (*key)->digest) {
        step.imported = nullptr;  // that was another key's
      }
      step.key = **key;
      plan_.KeyComputed(step.id, step.key->digest);
    });
  });
}

void Scheduler::DoLookUp(Step& step) {
  const auto attempt = NewAttempt(step);
  workers_->Post([this, &step, attempt] {
    auto cached = std::make_shared<std::optional<CachedStep>>(
        options_.runner.LookUp(step.key->digest, step.input_chains, *step.lease));
    std::shared_ptr<ImportedStep> imported;
    if (!*cached) {
      imported = attempt->FindImported(step.key->digest);
    }
    if (imported != nullptr) {
      auto outputs = ContentOnlyOutputs(*imported, step.key->digest, step.input_chains);
      if (outputs) {
        *cached = CachedStep{.outputs = *std::move(outputs), .duration = imported->duration()};
      }
    }
    Post([this, &step, cached, imported] {
      if (HaveInputsChanged(step)) {
        plan_.InputsChanged(step.id);
        return;
      }
      step.imported = *cached ? imported : nullptr;
      if (*cached) {
        Remember(*step.vertex, (*cached)->duration);
        if (plan_.state(step.id) == Plan::State::kLookingUp) {
          step.progress.FinishCached();
          OnDone(step, std::move((*cached)->outputs), /*cached=*/true);
        }
      }
      plan_.LookedUp(step.id, cached->has_value());
    });
  });
}

Scheduler::RunResult Scheduler::Run(Step& step, Attempt& attempt) {
  RunResult result;
  if (step.imported != nullptr) {
    if (step.imported->fetchable() && FetchStep(step, attempt, result)) {
      return result;
    }
    if (std::any_of(step.input_chains.begin(), step.input_chains.end(), HasContentOnly)) {
      result.status = absl::NotFoundError("an input is known by its content only");
      return result;
    }
    step.progress.Start();
  }
  const absl::Time start = options_.clock.Now();
  OpContext context = attempt.ContextFor(step);
  auto outputs = step.op->Run(context, step.input_chains);
  result.duration = options_.clock.Now() - start;
  result.status = outputs.status();
  if (!outputs.ok()) {
    return result;
  }
  result.outputs = *std::move(outputs);
  RecordRun(step, result);
  return result;
}

bool Scheduler::FetchStep(Step& step, Attempt& attempt, RunResult& result) {
  auto outputs = step.imported->Fetch(step.input_chains, *step.lease, attempt.cancel);
  if (!outputs.ok()) {
    if (!absl::IsCancelled(outputs.status())) {
      WarningEvent warning{.vertex = step.vertex->digest};
      warning.short_text = absl::StrCat("imported cache cannot be used, the step runs: ",
                                        outputs.status().message());
      step.progress.Warn(std::move(warning));
    }
    return false;
  }
  result.outputs = *std::move(outputs);
  result.duration = step.imported->duration();
  result.fetched = true;
  // A record has all outputs of its step.
  const bool whole =
      std::none_of(result.outputs.begin(), result.outputs.end(),
                   [](const OpOutput& output) { return HasContentOnly(output.chain); });
  if (whole) {
    RecordRun(step, result);
  }
  return true;
}

void Scheduler::RecordRun(Step& step, const RunResult& result) {
  if (!step.key) {
    return;
  }
  std::vector<std::string> parents;
  for (const std::optional<Digest>& key : step.input_keys) {
    if (key) {
      parents.push_back(StepRunner::IdentityOf(*key));
    }
  }
  options_.runner.Record({.key = *step.key,
                          .inputs = step.input_chains,
                          .outputs = result.outputs,
                          .type = step.prepared->record_type,
                          .description = step.vertex->name,
                          .duration = result.duration,
                          .parents = std::move(parents)},
                         *step.lease);
}

void Scheduler::DoRun(Step& step) {
  if (step.key ? HaveInputsChanged(step) : !AreInputsDone(step)) {
    plan_.InputsChanged(step.id);
    return;
  }
  const auto attempt = NewAttempt(step);
  Status gathered = GatherInputs(step);
  if (!gathered.ok()) {
    OnFailed(step, std::move(gathered));
    return;
  }
  const std::vector<Plan::StepId> lacking = InputsToBringIn(step);
  if (!lacking.empty()) {
    Recover(step, absl::NotFoundError("an input is known by its content only"), lacking);
    return;
  }
  const bool rearranges = RearrangesCachedInputs(step);
  if (!rearranges && step.imported == nullptr) {
    step.progress.Start();
  }
  workers_->Post([this, &step, attempt, rearranges] {
    auto result = std::make_shared<RunResult>(Run(step, *attempt));
    Post([this, &step, result, rearranges] {
      step.imported = nullptr;
      const bool cached = rearranges || result->fetched;
      if (!result->status.ok()) {
        OnFailed(step, result->status);
        return;
      }
      Remember(*step.vertex, result->duration);
      if (result->fetched) {
        // It was announced as cached when it was looked up.
      } else if (cached) {
        step.progress.FinishCached();
      } else {
        step.progress.Finish("");
      }
      OnDone(step, std::move(result->outputs), cached);
      plan_.Ran(step.id);
    });
  });
}

std::vector<Plan::StepId> Scheduler::InputsToBringIn(const Step& step) const {
  std::vector<Plan::StepId> lacking;
  const bool fetches = step.imported != nullptr && step.imported->fetchable();
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    bool needed = !fetches;
    if (fetches) {
      for (const ImportedOutput& output : step.imported->outputs()) {
        needed = needed || (output.layers && output.base_input == static_cast<int>(i));
      }
    }
    if (needed && HasContentOnly(step.input_chains[i])) {
      lacking.push_back(step.inputs[i].step);
    }
  }
  return lacking;
}

void Scheduler::Adopt(Step& step, const Step& leader) {
  if (AreInputsDone(step)) {
    (void)GatherInputs(step);  // one may have been made anew, with its bytes, since the key
  }
  std::vector<OpOutput> outputs = leader.outputs;
  for (OpOutput& output : outputs) {
    if (output.base_input < 0) {
      continue;
    }
    const size_t below = leader.input_chains[output.base_input].layers.size();
    std::vector<layer::Layer> layers = step.input_chains[output.base_input].layers;
    layers.insert(layers.end(), output.chain.layers.begin() + static_cast<ptrdiff_t>(below),
                  output.chain.layers.end());
    output.chain.layers = std::move(layers);
  }
  step.leader_lease = leader.lease;
  step.imported = leader.imported;
  OnDone(step, std::move(outputs), leader.cached);
}

// A merge of cached layers is as cached as they are, although it has no key and so "runs".
bool Scheduler::RearrangesCachedInputs(const Step& step) {
  for (const StepEdge& input : step.inputs) {
    if (!StepOf(input.step).cached) {
      return false;
    }
  }
  return !step.key && !step.inputs.empty();
}

}  // namespace cairn::solver

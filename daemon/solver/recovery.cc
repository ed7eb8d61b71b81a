// The half of Scheduler that deals with failures: those for want of bytes are looked into, and what
// has lost them runs again.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "daemon/solver/scheduler.h"
#include "daemon/solver/vertex_errors.h"

namespace cairn::solver {

namespace {

// Whether `vertex` is what the daemon gets for itself; a context comes from the client.
bool IsFetched(const llb::Vertex& vertex) {
  return vertex.op->has_source() && !absl::StartsWith(vertex.op->source().identifier(), "local://");
}

}  // namespace

void Scheduler::OnFailed(Step& step, Status status) {
  std::vector<Plan::StepId> inputs;
  if (absl::IsNotFound(status) || absl::IsDataLoss(status)) {
    for (const StepEdge& input : step.inputs) {
      inputs.push_back(input.step);
    }
  }
  Recover(step, std::move(status), inputs);
}

void Scheduler::Recover(Step& step, Status status, const std::vector<Plan::StepId>& inputs) {
  if (inputs.empty() || workers_ == nullptr) {
    Fail(step, std::move(status), {});
    return;
  }
  auto produced = std::make_shared<std::vector<ProducedLayers>>(ProducedBelow(inputs));
  workers_->Post([this, &step, status = std::move(status), produced] {
    const std::vector<Plan::StepId> lost = FindLost(*produced, options_.runner);
    Post([this, &step, status, lost] { Fail(step, status, lost); });
  });
}

void Scheduler::Fail(Step& step, Status status, const std::vector<Plan::StepId>& lost) {
  step.progress.ReleaseFollowers();
  const Plan::State state = plan_.state(step.id);
  const bool given_up = state == Plan::State::kStopping || state == Plan::State::kFailed;
  if (given_up || absl::IsCancelled(status)) {
    step.progress.Finish("context canceled");
  } else if (!lost.empty()) {
    step.progress.Finish("");
  } else {
    step.progress.Finish(std::string(status.message()));
  }
  // Clients match these words, which BuildKit has in the error of the build only.
  if (!step.prepared.has_value() && IsFetched(*step.vertex)) {
    status = Annotate(status, "failed to load cache key");
  } else if (step.prepared.has_value() && state == Plan::State::kKeying) {
    status = Annotate(status, "failed to compute cache key");
  }
  plan_.Failed(step.id, WithVertexDetails(std::move(status), *step.vertex), lost);
}

std::vector<ProducedLayers> Scheduler::ProducedBelow(const std::vector<Plan::StepId>& tops) {
  std::vector<ProducedLayers> produced;
  // Of what was never here only that is to be had which the tops consist of.
  absl::flat_hash_set<Digest> wanted;
  for (const Plan::StepId top : tops) {
    const auto found = steps_.find(top);
    for (const OpOutput& output :
         found == steps_.end() ? std::vector<OpOutput>() : found->second->outputs) {
      for (const layer::Layer& layer : output.chain.layers) {
        if (layer.content_only) {
          wanted.insert(layer.delta.digest);
        }
      }
    }
  }
  absl::flat_hash_set<Plan::StepId> seen;
  std::vector<Plan::StepId> to_visit = tops;
  while (!to_visit.empty()) {
    const Plan::StepId id = to_visit.back();
    to_visit.pop_back();
    const auto found = steps_.find(id);
    if (found == steps_.end() || !seen.insert(id).second) {
      continue;
    }
    const Step& step = *found->second;
    if (step.done) {
      ProducedLayers made{.step = id,
                          .key = step.key ? std::optional(step.key->digest) : std::nullopt,
                          .layers = LayersOnTop(step.outputs, step.input_chains)};
      made.content_only =
          std::any_of(made.layers.begin(), made.layers.end(), [&wanted](const layer::Layer& layer) {
            return layer.content_only && wanted.contains(layer.delta.digest);
          });
      made.layers.erase(
          std::remove_if(made.layers.begin(), made.layers.end(),
                         [](const layer::Layer& layer) { return layer.content_only; }),
          made.layers.end());
      produced.push_back(std::move(made));
    }
    for (const StepEdge& input : step.inputs) {
      to_visit.push_back(input.step);
    }
  }
  return produced;
}

bool Scheduler::FetchImported(const StepEdge& target) {
  bool found = false;
  Call([&] {
    std::vector<Plan::StepId> to_fetch;
    for (const ProducedLayers& made : ProducedBelow({target.step})) {
      const Step& step = StepOf(made.step);
      const bool lacks =
          std::any_of(step.outputs.begin(), step.outputs.end(),
                      [](const OpOutput& output) { return HasContentOnly(output.chain); });
      if (lacks && step.imported != nullptr && step.imported->fetchable()) {
        to_fetch.push_back(made.step);
      }
    }
    found = !to_fetch.empty();
    plan_.Lose(to_fetch);
  });
  return found;
}

bool Scheduler::Repair(const StepEdge& target) {
  std::vector<ProducedLayers> produced;
  Call([&] { produced = ProducedBelow({target.step}); });
  const std::vector<Plan::StepId> lost = FindLost(produced, options_.runner);
  if (!lost.empty()) {
    Call([&] { plan_.Lose(lost); });
  }
  return !lost.empty();
}

}  // namespace cairn::solver

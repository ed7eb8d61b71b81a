// Finds which of the steps that made a result have lost bytes: the first law of the cache is that a
// hit whose bytes cannot be had becomes a miss.
#pragma once

#include <optional>
#include <vector>

#include "cache/layer/chain.h"
#include "daemon/solver/op.h"
#include "daemon/solver/plan.h"
#include "daemon/solver/step_runner.h"

namespace cairn::solver {

// What a step put on top of its inputs.
struct ProducedLayers {
  Plan::StepId step{};
  std::optional<Digest> key;
  std::vector<layer::Layer> layers;
  // Of what is missing, all that is content only: it was never here.
  bool content_only = false;
};

// The layers of `outputs` that are not their base's.
std::vector<layer::Layer> LayersOnTop(const std::vector<OpOutput>& outputs,
                                      const std::vector<layer::Chain>& inputs);

// The steps whose layers are not whole in the store; their records are erased. When some are
// content only it is those, else every tree that is named is read, once.
std::vector<Plan::StepId> FindLost(const std::vector<ProducedLayers>& produced, StepRunner& runner);

}  // namespace cairn::solver

#include "daemon/solver/lost_bytes.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"

namespace cairn::solver {

std::vector<layer::Layer> LayersOnTop(const std::vector<OpOutput>& outputs,
                                      const std::vector<layer::Chain>& inputs) {
  std::vector<layer::Layer> on_top;
  for (const OpOutput& output : outputs) {
    const std::vector<layer::Layer>& layers = output.chain.layers;
    auto own = layers.begin();
    if (output.base_input >= 0 && output.base_input < static_cast<int>(inputs.size())) {
      const std::vector<layer::Layer>& below = inputs[output.base_input].layers;
      if (below.size() <= layers.size() && std::equal(below.begin(), below.end(), own)) {
        own += static_cast<ptrdiff_t>(below.size());
      }
    }
    on_top.insert(on_top.end(), own, layers.end());
  }
  return on_top;
}

std::vector<Plan::StepId> FindLost(const std::vector<ProducedLayers>& produced,
                                   StepRunner& runner) {
  std::vector<Plan::StepId> lost;
  for (const ProducedLayers& step : produced) {
    if (step.content_only) {
      lost.push_back(step.step);
    }
  }
  if (!lost.empty()) {
    return lost;
  }
  absl::flat_hash_map<Digest, bool> whole;  // by delta
  for (const ProducedLayers& step : produced) {
    const bool all_whole =
        std::all_of(step.layers.begin(), step.layers.end(), [&](const layer::Layer& layer) {
          const auto [known, is_new] = whole.try_emplace(layer.delta.digest, false);
          if (is_new) {
            known->second = runner.IsWhole(layer);
          }
          return known->second;
        });
    if (all_whole) {
      continue;
    }
    lost.push_back(step.step);
    if (step.key) {
      runner.Erase(*step.key);
    }
  }
  return lost;
}

}  // namespace cairn::solver

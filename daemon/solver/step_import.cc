#include "daemon/solver/step_import.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cairn::solver {
namespace {

// Stands for the layers of an output that are not here. Its digest names nothing.
layer::Layer Placeholder(const Digest& key, size_t output, const Digest& content) {
  const Digest nothing = Digest::Of(absl::StrCat("content only ", key.hex(), " ", output));
  return {.delta = {.digest = nothing, .content = content},
          .original = std::nullopt,
          .content_only = true};
}

}  // namespace

std::optional<std::vector<OpOutput>> ContentOnlyOutputs(const ImportedStep& imported,
                                                        const Digest& key,
                                                        const std::vector<layer::Chain>& inputs) {
  std::vector<OpOutput> outputs;
  for (size_t i = 0; i < imported.outputs().size(); ++i) {
    const ImportedOutput& known = imported.outputs()[i];
    if (known.base_input >= static_cast<int>(inputs.size())) {
      return std::nullopt;
    }
    OpOutput output{.chain = {.layers = {}, .content = known.content},
                    .base_input = known.base_input};
    const layer::Chain* const base = known.base_input < 0 ? nullptr : &inputs[known.base_input];
    if (base != nullptr) {
      output.chain.layers = base->layers;
    }
    const bool same_as_base = known.layers == size_t{0} && base != nullptr;
    if (same_as_base && base->content != known.content) {
      return std::nullopt;
    }
    if (!same_as_base) {
      output.chain.layers.push_back(Placeholder(key, i, known.content));
    }
    outputs.push_back(std::move(output));
  }
  return outputs;
}

bool HasContentOnly(const layer::Chain& chain) {
  return std::any_of(chain.layers.begin(), chain.layers.end(),
                     [](const layer::Layer& layer) { return layer.content_only; });
}

}  // namespace cairn::solver

// Failures of vertices as clients are told: which vertex, and which lines of the source.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/llb/graph.h"
#include "daemon/solver/ref.h"
#include "runtime/base/status.h"

namespace cairn::solver {

// `status` with the vertex's digest and source locations. Cancellation is left as it is.
Status WithVertexDetails(Status status, const llb::Vertex& vertex);

// `status` of a step key that could not be computed, with the step and the input it failed for (the
// detail's index) kept by `keep` for whoever wants to look into it.
Status WithKeyInput(const Status& status, const llb::Vertex& vertex,
                    const std::vector<layer::Chain>& inputs,
                    const std::function<std::string(RefPtr)>& keep);

}  // namespace cairn::solver

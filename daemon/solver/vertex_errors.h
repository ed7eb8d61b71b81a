// Failures of vertices as clients are told: which vertex, and which lines of the source.
#pragma once

#include "daemon/llb/graph.h"
#include "runtime/base/status.h"

namespace cairn::solver {

// `status` with the vertex's digest and source locations. Cancellation is left as it is.
Status WithVertexDetails(Status status, const llb::Vertex& vertex);

}  // namespace cairn::solver

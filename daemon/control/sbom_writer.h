// Has the SBOM that a build asks for made where its frontend made none.
#pragma once

#include "daemon/control/build_request.h"
#include "daemon/solver/frontend.h"
#include "runtime/base/cancel.h"

namespace cairn::control {

// Adds a scan of each platform's filesystem to `result`, by the scanner that `request` names, if it
// asks for an SBOM and `result` has none. The scans are solved when they are read.
// kInvalidArgument for a scanner that cannot be one, and what its image's resolution gives.
Status AddSbom(solver::Bridge& bridge, const BuildRequest& request, solver::FrontendResult* result,
               const CancelToken& cancel);

}  // namespace cairn::control

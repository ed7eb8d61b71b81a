// What a frontend attested of its result, read from the refs that hold it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/exporter/exporter.h"
#include "daemon/solver/frontend.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::control {

// The attestations of `result` by platform id. One of kind in-toto is a predicate in a file; a
// bundle is a directory of in-toto statements, or one such file. kInvalidArgument for what is none.
StatusOr<std::map<std::string, std::vector<exporter::SolvedAttestation>>> ReadAttestations(
    solver::Bridge& bridge, const solver::FrontendResult& result, const CancelToken& cancel);

}  // namespace cairn::control

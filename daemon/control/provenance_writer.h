// Adds the provenance that a build asks for to its result.
#pragma once

#include <map>
#include <string>

#include "absl/time/time.h"
#include "cache/layer/exporter.h"
#include "daemon/control/build_request.h"
#include "daemon/control/request_record.h"
#include "daemon/exporter/exporter.h"
#include "runtime/base/clock.h"

namespace cairn::control {

// What provenance needs of the daemon. All of it outlives the builds.
struct ProvenanceSettings {
  layer::LayerExporter& layers;
  const Clock& clock;
  std::string custom_environment;  // JSON object, or ""
};

// For each platform of `result`, adds an attestation to `solved` if `request` asks for provenance.
// Its predicate is made when an exporter writes it, as only then the layers are known.
// kInvalidArgument for malformed settings, kFailedPrecondition for materials that had to be
// complete and are not.
Status AddProvenance(const ProvenanceSettings& settings, const BuildRequest& request,
                     const RequestRecord& record, const solver::FrontendResult& result,
                     absl::Time started, exporter::SolvedResult* solved);

// What the history tells of `result`: a predicate in full for each platform that was made of
// something, by its id, "" for the only one of a result without platforms.
StatusOr<std::map<std::string, std::string>> HistoryProvenance(
    const ProvenanceSettings& settings, const BuildRequest& request, const RequestRecord& record,
    const solver::FrontendResult& result, absl::Time started, const exporter::SolvedResult& solved);

}  // namespace cairn::control

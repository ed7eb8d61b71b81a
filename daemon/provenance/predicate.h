// The provenance predicate: how a result was built, in the words of SLSA.
//
// Formats: https://slsa.dev/provenance/v1 and /v0.2 with BuildKit's extensions (protocol.md 8.1;
// slsa-definitions of its documentation). This folder alone knows them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/layer/exporter.h"
#include "daemon/provenance/capture.h"
#include "daemon/provenance/options.h"
#include "proto/ops.pb.h"

namespace cairn::provenance {

struct PredicateInput {
  const Capture& capture;
  const Options& options;
  std::string invocation_id;
  absl::Time started;
  absl::Time finished;
  std::string dockerfile_version;  // of the built-in frontend, when it made the result
  int compatibility_version = 0;   // 0: none was asked for
  // JSON object whose members are added as the operator's own, or "".
  std::string custom_environment;
  // For mode=max: the graph, and the layers that its vertices' outputs are stored as so far.
  const pb::Definition* definition = nullptr;
  std::map<Digest, std::vector<std::vector<layer::LayerBlob>>> layers;
};

// "https://slsa.dev/provenance/v1"
std::string PredicateType(SlsaVersion version);

// The predicate as JSON. kInvalidArgument for a definition or custom environment that cannot be
// read, kFailedPrecondition when complete materials are asked for and something is not known.
StatusOr<std::string> MakePredicate(const PredicateInput& input);

}  // namespace cairn::provenance

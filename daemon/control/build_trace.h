// A build's trace: one span for the build and one for each vertex that it worked on, as BuildKit
// keeps it with its history (OpenTelemetry span stubs, one JSON object after the other).
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "daemon/solver/progress.h"

namespace cairn::control {

inline constexpr char kTraceMediaType[] = "application/vnd.buildkit.otlp.json.v0";

struct TracedBuild {
  std::string ref;
  absl::Time started;
  absl::Time completed;
  std::string error;  // empty when it was built
};

// `progress` is all of the build's. Ids are made from the build's ref, so a build has one trace.
std::string EncodeTrace(const TracedBuild& build,
                        const std::vector<solver::ProgressBatch>& progress);

}  // namespace cairn::control

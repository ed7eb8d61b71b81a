// Step: what the scheduler keeps for each step of its plan.
//
// Owned by the scheduler's thread. While an action of the step is out, its worker reads (never
// writes) what is marked so; the scheduler does not change that before the action has answered.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/gc/ledger.h"
#include "daemon/llb/graph.h"
#include "daemon/solver/op.h"
#include "daemon/solver/plan.h"
#include "daemon/solver/step_import.h"
#include "daemon/solver/step_runner.h"
#include "daemon/solver/vertex_progress.h"
#include "runtime/base/cancel.h"

namespace cairn::solver {

class BuildState;

// One output of a step.
struct StepEdge {
  Plan::StepId step{};
  int64_t output = 0;
  friend bool operator==(const StepEdge&, const StepEdge&) = default;
};

struct Step {
  Step(const Clock& clock, const LogLimits& limits) : progress(clock, limits) {}

  // Constant.
  Plan::StepId id{};
  Digest identity = Digest::Of("");  // key in the scheduler's index
  std::shared_ptr<const llb::Vertex> vertex;
  std::vector<StepEdge> inputs;

  // The scheduler's own.
  std::vector<std::shared_ptr<BuildState>> builds;  // that have it loaded, in order
  std::unique_ptr<CancelSource> cancel;             // of the action that is out
  bool done = false;
  bool cached = false;  // no work was done for the result
  // Set while a build that ended waits for this step to stop: the end of the step lets go of it.
  std::shared_ptr<void> awaited;

  // Read by workers.
  std::unique_ptr<Op> op;
  // Shared with steps that adopted this one's result and may outlive it.
  std::shared_ptr<gc::Lease> lease;
  std::shared_ptr<gc::Lease> leader_lease;
  std::optional<Prepared> prepared;
  std::vector<layer::Chain> input_chains;
  std::vector<std::optional<Digest>> input_keys;
  std::optional<StepKey> key;
  std::vector<OpOutput> outputs;
  // Where `outputs` that are content only come from.
  std::shared_ptr<ImportedStep> imported;

  VertexProgress progress;  // thread-safe
};

}  // namespace cairn::solver

// What others may see of the scheduler's steps.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/solver/scheduler.h"
#include "proto/ops.pb.h"

namespace cairn::solver {
namespace {

// An image is known by its name, and the registry that has it is its cache.
bool IsImage(const pb::Op& op) {
  const std::string& identifier = op.source().identifier();
  return op.has_source() && (absl::StartsWith(identifier, "docker-image://") ||
                             absl::StartsWith(identifier, "oci-layout://"));
}

}  // namespace

bool Scheduler::HasLoaded(const std::shared_ptr<BuildState>& build, Plan::StepId step) const {
  const auto found = steps_.find(step);
  return found != steps_.end() &&
         std::count(found->second->builds.begin(), found->second->builds.end(), build) > 0;
}

std::vector<const Step*> Scheduler::DoneBelow(const std::shared_ptr<BuildState>& build,
                                              const StepEdge& target) {
  std::vector<const Step*> done;
  if (!HasLoaded(build, target.step)) {
    return done;
  }
  // Depth first, with an explicit stack: graphs are as deep as a client likes.
  std::vector<std::pair<Plan::StepId, size_t>> path = {{target.step, 0}};
  std::set<Plan::StepId> seen = {target.step};
  while (!path.empty()) {
    const Step& step = StepOf(path.back().first);
    if (path.back().second < step.inputs.size()) {
      const Plan::StepId input = step.inputs[path.back().second++].step;
      if (seen.insert(input).second) {
        path.emplace_back(input, 0);
      }
      continue;
    }
    if (step.done) {
      done.push_back(&step);
    }
    path.pop_back();
  }
  return done;
}

std::vector<ExportableStep> Scheduler::StepsToExport(const std::shared_ptr<BuildState>& build,
                                                     const StepEdge& target) {
  std::vector<ExportableStep> steps;
  Call([&] {
    for (const Step* step : DoneBelow(build, target)) {
      const pb::OpMetadata& metadata = *step->vertex->metadata;
      if (!step->key || IsImage(*step->vertex->op) ||
          (metadata.has_export_cache() && !metadata.export_cache().value())) {
        continue;
      }
      ExportableStep exported{
          .key = step->key->digest, .outputs = {}, .selections = step->key->selections};
      for (steps::StepOutput& output : StepRunner::RecordOf(step->outputs, step->input_chains)) {
        exported.outputs.push_back({output.base_input, output.content, std::move(output.layers)});
      }
      steps.push_back(std::move(exported));
    }
  });
  return steps;
}

std::map<Digest, SolvedVertex> Scheduler::Solved(const std::shared_ptr<BuildState>& build,
                                                 const StepEdge& target) {
  std::map<Digest, SolvedVertex> solved;
  Call([&] {
    for (const Step* step : DoneBelow(build, target)) {
      SolvedVertex& vertex = solved[step->vertex->digest];
      vertex.pin = step->prepared.has_value() ? step->prepared->pin : "";
      for (const OpOutput& output : step->outputs) {
        vertex.chains.push_back(output.chain);
      }
    }
  });
  return solved;
}

std::vector<std::string> Scheduler::DescribeWaits() {
  std::vector<std::string> lines;
  Call([&] {
    for (const auto& [id, request] : requests_) {
      std::string line = absl::StrCat("build ", request.build->id(), ":");
      for (const Plan::StepId unfinished : plan_.Unfinished(id)) {
        const Plan::State state = plan_.state(unfinished);
        if (state == Plan::State::kWaiting && !plan_.WaitsFor(unfinished).empty()) {
          continue;  // what it waits for is listed
        }
        absl::StrAppend(&line, " ", StepOf(unfinished).vertex->name, " (", StateName(state));
        for (const Plan::StepId other : plan_.WaitsFor(unfinished)) {
          absl::StrAppend(&line, " ", StepOf(other).vertex->name);
        }
        absl::StrAppend(&line, ")");
      }
      lines.push_back(std::move(line));
    }
  });
  return lines;
}

}  // namespace cairn::solver

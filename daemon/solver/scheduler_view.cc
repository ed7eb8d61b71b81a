// What others may see of the scheduler's steps.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/solver/scheduler.h"

namespace cairn::solver {

bool Scheduler::HasLoaded(const std::shared_ptr<BuildState>& build, Plan::StepId step) const {
  const auto found = steps_.find(step);
  return found != steps_.end() &&
         std::count(found->second->builds.begin(), found->second->builds.end(), build) > 0;
}

std::map<Digest, SolvedVertex> Scheduler::Solved(const std::shared_ptr<BuildState>& build,
                                                 const StepEdge& target) {
  std::map<Digest, SolvedVertex> solved;
  Call([&] {
    std::vector<Plan::StepId> pending;
    if (HasLoaded(build, target.step)) {
      pending.push_back(target.step);
    }
    std::set<Plan::StepId> seen;
    while (!pending.empty()) {
      const Step& step = StepOf(pending.back());
      pending.pop_back();
      if (!seen.insert(step.id).second) {
        continue;
      }
      for (const StepEdge& input : step.inputs) {
        pending.push_back(input.step);
      }
      if (step.done) {
        SolvedVertex& vertex = solved[step.vertex->digest];
        vertex.pin = step.prepared.has_value() ? step.prepared->pin : "";
        for (const OpOutput& output : step.outputs) {
          vertex.chains.push_back(output.chain);
        }
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

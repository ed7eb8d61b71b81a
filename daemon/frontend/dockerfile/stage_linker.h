// From the stages of a file to a graph: FROM lines expanded, instructions bound to the stages they
// take files from, triggers of base images added.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/dispatch.h"
#include "daemon/frontend/dockerfile/outline.h"
#include "daemon/frontend/dockerfile/stage_state.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

// Fills `graph` with `stages`, in order. `args` describes the global arguments.
Status BuildStages(const DispatchContext& context,
                   const std::map<std::string, OutlineCapture::Arg>& args,
                   const std::vector<Stage>& stages, StageGraph& graph);

// Gives each stage its commands. Names of COPY --from and mounts that are no stages become stages
// of their own, to be resolved as images.
Status LinkStages(StageGraph& graph);

// Puts the ONBUILD triggers of the bases of `needed` before their instructions. True when they
// refer to stages or images that were not needed before.
StatusOr<bool> AddTriggers(const DispatchContext& context, const std::set<StageState*>& needed,
                           StageGraph& graph);

// What `target` and the stages it needs take as parameters, in the order of the file.
Outline MakeOutline(StageState& target);

}  // namespace cairn::dockerfile

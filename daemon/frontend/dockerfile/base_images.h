// Base images: what a stage's FROM names, looked up.
#pragma once

#include "daemon/frontend/dockerfile/dispatch.h"
#include "daemon/frontend/dockerfile/stage_state.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

// Makes `stage` start from its image, scratch or context. Called for stages whose base is no stage,
// for several at the same time; it reports nothing to the linter. `names` are those of the file's
// stages, for suggestions.
Status ResolveBase(const DispatchContext& context, const std::vector<std::string>& names,
                   StageState& stage);

// Sets up a stage that is FROM scratch.
void StartFromScratch(const DispatchContext& context, StageState& stage);

}  // namespace cairn::dockerfile

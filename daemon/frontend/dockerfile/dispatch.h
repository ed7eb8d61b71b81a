// Dispatch: converting the instructions of one stage, in order.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "daemon/frontend/dockerfile/converter.h"
#include "daemon/frontend/dockerfile/environment.h"
#include "daemon/frontend/dockerfile/linter.h"
#include "daemon/frontend/dockerfile/shell_lexer.h"
#include "daemon/frontend/dockerfile/stage_state.h"
#include "runtime/base/pattern.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

// What all stages of a conversion share. Outlives the dispatch of every stage.
struct DispatchContext {
  const ConvertOptions& options;
  Environment global_args;
  LexOptions lex;  // the escape character of the file
  Linter linter;
  Platform target_platform;
  bool implicit_target = false;  // no platform was asked for
  std::optional<absl::Time> epoch;
  ContextState build_context;
  std::optional<PatternMatcher> ignore;  // of the build context
  std::optional<pb::ProxyEnv> proxy;
};

// Applies `command` to `stage`: its filesystem, what RUN sees, the config, the history.
Status DispatchCommand(const DispatchContext& context, StageState& stage, StageCommand& command);

// Sets the working directory that the base image has; no layer, no history.
void DispatchBaseWorkdir(StageState& stage);

}  // namespace cairn::dockerfile

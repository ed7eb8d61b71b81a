// Global arguments: those before the first FROM and the ones the frontend supplies.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/environment.h"
#include "daemon/frontend/dockerfile/instruction.h"
#include "daemon/frontend/dockerfile/outline.h"
#include "daemon/frontend/dockerfile/shell_lexer.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

// BUILDPLATFORM, TARGETARCH and so on; build arguments of the same names win.
Environment PlatformArgs(const Platform& build, const Platform& target,
                         const std::map<std::string, std::string>& build_args,
                         const std::string& target_stage);

struct GlobalArgs {
  Environment values;
  std::map<std::string, OutlineCapture::Arg> definitions;
};

// Evaluates the global ARGs in order on top of `platform_args`.
StatusOr<GlobalArgs> EvaluateGlobalArgs(const Environment& platform_args,
                                        const std::vector<Command>& commands,
                                        const std::map<std::string, std::string>& build_args,
                                        const LexOptions& lex);

}  // namespace cairn::dockerfile

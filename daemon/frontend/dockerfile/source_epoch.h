// SOURCE_DATE_EPOCH: the time that an image claims to be made at.
//
// Seconds since 1970, or the name of a source whose time is taken: "context", a named context, or a
// stage that is FROM scratch with a single remote ADD.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "daemon/frontend/dockerfile/converter.h"
#include "daemon/frontend/dockerfile/environment.h"
#include "daemon/frontend/dockerfile/instruction.h"
#include "daemon/frontend/dockerfile/shell_lexer.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

// The time that `value` stands for; nullopt when the source has none.
StatusOr<std::optional<absl::Time>> ResolveEpoch(const std::string& value,
                                                 const ConvertOptions& options,
                                                 const std::vector<Stage>& stages,
                                                 const Environment& global_args,
                                                 const LexOptions& lex);

}  // namespace cairn::dockerfile

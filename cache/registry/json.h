// Strict JSON: what two parsers could read differently is refused. Private to this folder.
#pragma once

#include "runtime/base/status.h"

namespace cairn::registry {

// OK when `text` is one JSON object and nothing else, no object in it has a key twice, and it is
// nested at most 32 deep. Else kInvalidArgument, whose message begins with `what`.
Status CheckStrictJson(string_view text, string_view what);

}  // namespace cairn::registry

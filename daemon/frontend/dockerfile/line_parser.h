// One logical line of a Dockerfile -> Node.
#pragma once

#include "daemon/frontend/dockerfile/node.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

// Splits `line` into keyword, flags and arguments. An unknown keyword is no error here: its node
// has no arguments. Line numbers, heredocs and comments are left for the caller.
StatusOr<Node> ParseLine(string_view line, char escape);

}  // namespace cairn::dockerfile

// The parsers of the single instructions, one for each keyword.
#pragma once

#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/instruction.h"
#include "daemon/frontend/dockerfile/node.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

// Understands the node of instruction `keyword` (lower case). "unknown instruction: X (did you mean
// Y?)" for any other word.
StatusOr<CommandBody> ParseCommandBody(const std::string& keyword, const Node& node);

// What the comment lines say about `name`: the rest of the first one that begins with it.
std::string DescriptionOf(const std::string& name, const std::vector<std::string>& comments);

}  // namespace cairn::dockerfile

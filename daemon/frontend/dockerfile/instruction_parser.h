// Nodes -> stages and instructions: arguments and flags are checked here, with the messages that
// users of Dockerfiles know.
#pragma once

#include <variant>
#include <vector>

#include "daemon/frontend/dockerfile/instruction.h"
#include "daemon/frontend/dockerfile/linter.h"
#include "daemon/frontend/dockerfile/node.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct Instructions {
  std::vector<Command> global_args;  // ARGs before the first FROM
  std::vector<Stage> stages;
};

// Understands all nodes of a file and checks what can be checked without a build. Errors begin with
// "dockerfile parse error on line N: ".
StatusOr<Instructions> ParseInstructions(const std::vector<Node>& nodes, const Linter& linter);

// Understands one instruction of a stage; FROM is refused.
StatusOr<Command> ParseCommand(const Node& node);

}  // namespace cairn::dockerfile

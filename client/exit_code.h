// What the command exits with when it fails, where that is not 1: `cairn run` of a program that the
// container does not have exits as a shell would, with 127, or 126 for one that cannot be executed.
//
// Pure functions.
#pragma once

#include "runtime/base/status.h"

namespace cairn::client {

// `status`, which is an error, for a command that is to exit with `code`.
Status WithExitCode(Status status, int code);

// The code for an error: 130 for a cancelled command, WithExitCode's where there is one, else 1.
int ExitCodeOf(const Status& status);

}  // namespace cairn::client

// The last step: the environment, finding the program, and execve.
#pragma once

#include "runtime/sandbox/helper/reporter.h"
#include "runtime/sandbox/helper/user_database.h"
#include "runtime/sandbox/launch.h"

namespace cairn::sandbox {

// Replaces this process by the request's program. Every descriptor but 0, 1 and 2 closes.
[[noreturn]] void ExecuteProgram(const ProcessSpec& process, const UserIdentity& identity,
                                 const Reporter& reporter);

}  // namespace cairn::sandbox

// A copy of the helper program that nobody can change, not even root in a container.
//
// A container can reach the program that its first process came from through /proc/1/exe and write
// to it once it no longer runs. So helpers do not run the installed file: they run a copy in sealed
// memory, or where the kernel forbids executable memory files, the file through a read-only mount
// that is attached nowhere.
#pragma once

#include <string>

#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::sandbox {

// Returns a descriptor to execute as /proc/self/fd/N, close-on-exec. kNotFound: no such program.
StatusOr<UniqueFd> OpenSealedProgram(const std::string& path);

}  // namespace cairn::sandbox

// A pseudo terminal in the container's own devpts.
#pragma once

#include "runtime/sandbox/helper/reporter.h"
#include "runtime/sandbox/helper/scoped_fd.h"
#include "runtime/sandbox/launch.h"

namespace cairn::sandbox {

// Makes a terminal in the devpts file system whose root is `terminals`, of the process' size, sends
// its master side to the daemon and returns the other. Nothing is opened by a path that the
// container could have changed.
ScopedFd OpenTerminal(int terminals, const ProcessSpec& process, const Reporter& reporter);

// Makes `terminal` this session's controlling terminal and its standard streams, owned by `uid`.
void UseTerminal(int terminal, unsigned uid, const Reporter& reporter);

}  // namespace cairn::sandbox

// Connections into a container's network from the daemon, which is not in it.
#pragma once

#include <cstdint>

#include "runtime/base/cancel.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::sandbox {

// Connects over TCP to `port` of the loopback interface (IPv4, else IPv6) in the network namespace
// of the process that `pidfd` names. kUnavailable: nothing listens there; kFailedPrecondition: the
// process has ended; kCancelled.
StatusOr<UniqueFd> ConnectInNamespaceOf(int pidfd, uint16_t port, const CancelToken& cancel);

}  // namespace cairn::sandbox

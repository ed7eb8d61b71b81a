// From a device's description (devices::ContainerEdits) to the sandbox's specs.
#pragma once

#include "daemon/devices/device_spec.h"
#include "runtime/base/status.h"
#include "runtime/sandbox/container_spec.h"
#include "runtime/sandbox/process_spec.h"

namespace cairn::ops {

// Adds what `edits` say: variables after those of `process`, nodes completed from the host's, and
// mounts in place of those of `container` with the same destination. kUnimplemented: hooks, network
// devices, Intel RDT, and file systems of their own, which the sandbox does not have;
// kInvalidArgument: a node outside of /dev, or what cannot be; kFailedPrecondition: a device that
// the host lacks.
Status AddDevices(const devices::ContainerEdits& edits, sandbox::ContainerSpec& container,
                  sandbox::ProcessSpec& process);

}  // namespace cairn::ops

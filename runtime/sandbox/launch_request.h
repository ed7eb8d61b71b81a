// From specs to a LaunchRequest: checks what callers ask for and sends it to a helper.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/sandbox/container_spec.h"
#include "runtime/sandbox/launch.h"
#include "runtime/sandbox/process_io.h"
#include "runtime/sandbox/process_spec.h"

namespace cairn::sandbox {

// kInvalidArgument: no program, a relative working directory, or a NUL byte somewhere.
Status CheckProcess(const ProcessSpec& process);

// kInvalidArgument: a relative path, a NUL byte, a device outside of /dev, an unknown limit, a name
// with blanks in it.
Status CheckContainer(const ContainerSpec& container);

// setrlimit(2) calls for `ulimits`, with the sandbox' defaults for those not named: this process's
// hard limit of open files, soft and hard, but no more than a million; no core files.
// kInvalidArgument: an unknown name.
StatusOr<std::vector<RlimitRequest>> MakeRlimits(const std::vector<Ulimit>& ulimits);

// Sends `request` with the process' streams and `descriptors` (see kLaunchStdioDescriptors) over
// `setup`. kInvalidArgument: larger than a request may be; kUnavailable: the helper is gone.
Status SendLaunch(int setup, const LaunchRequest& request, const ProcessIo& io,
                  const std::vector<int>& descriptors);

}  // namespace cairn::sandbox

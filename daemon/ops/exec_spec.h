// From the wire's description of a process (pb.ExecOp) to the sandbox's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/solver/entitlements.h"
#include "proto/ops.pb.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"
#include "runtime/sandbox/container_spec.h"
#include "runtime/sandbox/process_spec.h"
#include "runtime/sandbox/run_outcome.h"

namespace cairn::ops {

// PATH for processes whose environment has none.
inline constexpr char kDefaultPath[] =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// `env` with `name` set to `value` unless it is there.
void AddDefault(std::vector<std::string>& env, const std::string& name, const std::string& value);

// What programs of Windows expect instead, for containers of that platform.
inline constexpr char kDefaultPathWindows[] =
    "c:\\Windows\\System32;c:\\Windows;C:\\Windows\\System32\\WindowsPowerShell\\v1.0";

// Without secrets, which the caller adds. `os` is the platform's, "" the host's.
sandbox::ProcessSpec ProcessOf(const pb::Meta& meta, string_view os = {});

// Names, powers and limits; root and mounts are the caller's. kPermissionDenied for a power that
// `entitlements` lack, kInvalidArgument for what makes no sense.
StatusOr<sandbox::ContainerSpec> ContainerOf(const pb::ExecOp& exec,
                                             const pb::LinuxResources& resources,
                                             const solver::Entitlements& entitlements);

// OK when the process ended as wanted, else why not, in BuildKit's words, with the exit code.
// `platform` is the one asked for, to explain a program that this machine cannot execute.
Status CheckOutcome(const sandbox::RunOutcome& outcome, const pb::Meta& meta,
                    const std::optional<Platform>& platform);

}  // namespace cairn::ops

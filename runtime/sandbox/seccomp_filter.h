// Compiles a SeccompProfile into the classic BPF program that the kernel runs for every system
// call.
//
// libseccomp supplies the numbers of the names on each architecture; the program is built here,
// because packaged libseccomp neither knows the newest calls nor tells new calls (ENOSYS) from
// forbidden ones (EPERM). For each architecture that the kernel can run it is a binary search over
// ranges of call numbers that are treated alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/sandbox/seccomp_profile.h"

namespace cairn::sandbox {

// What seccomp(2) shows a filter.
struct SyscallView {
  uint32_t architecture = 0;  // AUDIT_ARCH_
  uint32_t number = 0;
  uint64_t arguments[6] = {};
};

// The program for this machine's architecture and its 32-bit companions: an array of sock_filter as
// bytes, as LaunchRequest carries it. kInvalidArgument: the profile does not fit into a program.
StatusOr<std::string> CompileSeccompFilter(const SeccompProfile& profile);

// What `filter` decides for a call: a SECCOMP_RET_ value. For tests. kInvalidArgument: the program
// is not one that CompileSeccompFilter makes.
StatusOr<uint32_t> EvaluateSeccompFilter(const std::string& filter, const SyscallView& call);

}  // namespace cairn::sandbox

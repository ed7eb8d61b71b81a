// Takes a process' powers away: resource limits, session keyring, system call filter,
// capabilities, user and groups.
//
// no_new_privs stays off, because Dockerfiles use sudo and other set-user-ID programs; hence the
// filter is installed while the process still has CAP_SYS_ADMIN, and all that follows must be
// allowed by it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sandbox/helper/reporter.h"
#include "runtime/sandbox/helper/user_database.h"
#include "runtime/sandbox/launch.h"

namespace cairn::sandbox {

// The capabilities of a step, as a bit mask: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID
// SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP.
inline constexpr uint64_t kDefaultCapabilities = 0xa80425fb;

// Writes the AppArmor profile to change to at execve; the request's is empty: nothing.
void SetSecurityLabel(const LaunchRequest& request, const Reporter& reporter);

// Does all the rest, in that order. After it the process is `identity` and can only execve.
void DropPrivileges(const LaunchRequest& request, const UserIdentity& identity,
                    const Reporter& reporter);

}  // namespace cairn::sandbox

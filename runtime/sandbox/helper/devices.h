// The container's /dev: a file system in memory with the few devices that every program may
// expect, made before the container's root is known.
#pragma once

#include <sys/types.h>

#include <vector>

#include "runtime/sandbox/device_node.h"
#include "runtime/sandbox/helper/file_systems.h"
#include "runtime/sandbox/helper/scoped_fd.h"

namespace cairn::sandbox {

// Mounts that are ready to be attached; see the functions.
struct DeviceMounts {
  ScopedFd dev;        // null zero full random urandom tty, links, and mount points
  ScopedFd terminals;  // an instance of devpts of its own, for dev/pts
  ScopedFd shm;        // dev/shm, 64 MiB
  ScopedFd mqueue;     // dev/mqueue, of the current IPC namespace
};

DeviceMounts MakeDeviceMounts(const FileSystems& file_systems, const Reporter& reporter);

// Adds what insecure containers see beside that: loop devices, fuse, kvm, tun, kmsg.
void AddHostDevices(int dev, const Reporter& reporter);

// Adds the container's own; `uid` and `gid` are those of its first process.
void AddDevices(int dev, const std::vector<DeviceNode>& devices, uid_t uid, gid_t gid,
                const Reporter& reporter);

}  // namespace cairn::sandbox

// Builds a container's root: the root file system, what the sandbox itself mounts in it (/proc,
// /dev, /sys), the caller's mounts, and the masks over what a step must not see.
//
// Runs in the first process of a container, in a mount namespace of its own that still shows the
// host's tree; Enter makes the new root the only one. Used once, in the order of the functions.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "runtime/sandbox/helper/devices.h"
#include "runtime/sandbox/helper/file_systems.h"
#include "runtime/sandbox/launch.h"

namespace cairn::sandbox {

class ContainerRoot {
 public:
  // `request` and `reporter` outlive this object. `devices` and `proc` are attached as they are.
  ContainerRoot(const LaunchRequest& request, const Reporter& reporter, DeviceMounts devices,
                ScopedFd proc);

  // Mounts the root file system, without anything in it yet.
  void MountRoot();
  // Mounts /proc, /dev, /sys and all that the request asks for, for a process of these; reports
  // stubs.
  void MountInside(uid_t uid, gid_t gid);
  // Covers sensitive files, makes others read-only (not in insecure containers), and makes the
  // root read-only if it is to be.
  void Seal();
  // Makes this the process' root and lets go of the host's.
  void Enter();

  // The root file system, seen without what is mounted in it; valid after MountRoot.
  int root() const { return bare_root_.get(); }
  // The terminal file system; valid until the object ends.
  int terminals() const { return devices_.terminals.get(); }
  // The root with its mounts.
  int mounted_root() const { return root_.get(); }
  int dev() const { return devices_.dev.get(); }
  const FileSystems& file_systems() const { return file_systems_; }

 private:
  void MakeStaging();
  void MountKernelFileSystems(uid_t uid, gid_t gid);
  // On /sys/fs/cgroup of the new root, which `directory` refers to.
  void MountCgroups(int directory);
  void MountOne(const MountSpec& mount);
  ScopedFd MakeSource(const MountSpec& mount, const std::string& what, bool& directory);
  ScopedFd MakeBindSource(const MountSpec& mount, const std::string& what, bool& directory);
  ScopedFd MakeOverlaySource(const MountSpec& mount, const std::string& what, bool& directory);
  ScopedFd MakeFileSource(const MountSpec& mount, const std::string& what);
  void AttachAtDirectory(const char* path, int mount);
  void CheckDestination(int target, const std::string& what) const;
  void Mask();
  void MaskOne(int base, const char* path, int empty_directory, int null_device);
  void MakeReadOnly(int base, const char* path);

  const LaunchRequest& request_;
  const Reporter& reporter_;
  const FileSystems file_systems_;
  DeviceMounts devices_;
  ScopedFd proc_;
  ScopedFd sys_;
  // A file system in memory over the mount point: holds the root and what is being prepared; it
  // goes away with the host's tree.
  ScopedFd staging_;
  ScopedFd root_;
  ScopedFd bare_root_;
  std::vector<Stub> stubs_;
  int staged_ = 0;
};

}  // namespace cairn::sandbox

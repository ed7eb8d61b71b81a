// Makes mounts that are attached nowhere yet, with the descriptor-based mount calls of Linux 5.12
// and later (fsopen, open_tree, mount_setattr, move_mount).
//
// A mount made here lives as long as its descriptor until Attach puts it into a mount namespace.
// Failures go to the Reporter and end the process.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/sandbox/helper/reporter.h"
#include "runtime/sandbox/helper/scoped_fd.h"
#include "runtime/sandbox/mount_spec.h"

namespace cairn::sandbox {

class FileSystems {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;

  explicit FileSystems(const Reporter& reporter) : reporter_(reporter) {}

  // A new instance of the file system `type`; `attributes` are MOUNT_ATTR_ flags. An option with
  // an empty value is a flag. `what` names it in a failure.
  ScopedFd Make(SetupStep step, const std::string& what, const char* type, const Options& options,
                uint64_t attributes) const;

  // Whether this kernel's file system `type` takes the flag `flag`.
  bool Knows(const char* type, const char* flag) const;

  // An overlay of `overlay`; `skeleton` (if not empty) goes below its lowest directory.
  // `staging` is a writable directory in which kernels that cannot take lower directories one by
  // one mount it for a moment.
  ScopedFd MakeOverlay(SetupStep step, const std::string& what, const OverlaySpec& overlay,
                       const std::string& skeleton, int staging) const;

  // A copy of the mount that holds `tree`, from there down.
  ScopedFd Clone(SetupStep step, const std::string& what, int tree, bool recursive) const;

  // Sets MOUNT_ATTR_ flags on a mount, and all that is below it when `recursive`.
  void SetAttributes(SetupStep step, const std::string& what, int mount, uint64_t attributes,
                     bool recursive) const;

  // Puts `mount` over what `target` refers to, or over `name` in it when that is not empty.
  void Attach(SetupStep step, const std::string& what, int mount, int target,
              const char* name = "") const;

 private:
  ScopedFd Create(SetupStep step, const std::string& what, int context, const char* type,
                  const Options& options, uint64_t attributes) const;
  ScopedFd MakeOverlayWithMountCall(const std::string& what, const std::string& lowers,
                                    const std::string& rest, int staging) const;

  const Reporter& reporter_;
};

}  // namespace cairn::sandbox

// The kernel's gate for devices: a small BPF program on a container's control group that lets it
// open the harmless devices (null zero full random urandom tty ptmx console and terminals) and
// those that it was given only, though it may make nodes for any.
//
// Needed because steps have CAP_MKNOD. Immutable and thread-safe.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/fd.h"
#include "runtime/base/status.h"
#include "runtime/sandbox/device_node.h"

namespace cairn::sandbox {

class DeviceFilter {
 public:
  // Loads the program into the kernel. kUnimplemented: the kernel has no such programs.
  static StatusOr<std::unique_ptr<DeviceFilter>> Load(const std::vector<DeviceNode>& given = {});

  // Attaches to, or detaches from, the unified control group `directory`.
  Status Attach(const std::string& directory) const;
  Status Detach(const std::string& directory) const;

 private:
  explicit DeviceFilter(UniqueFd program) : program_(std::move(program)) {}
  const UniqueFd program_;
};

}  // namespace cairn::sandbox

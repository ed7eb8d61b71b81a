// DeviceGrants: which of the host's devices a build may have (the entitlement "device").
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/devices/device_catalog.h"
#include "runtime/base/status.h"

namespace cairn::solver {

// A value.
class DeviceGrants {
 public:
  // No device but those that every build may have.
  DeviceGrants() = default;
  // What follows "device=": a device, kind or class as steps name it, and perhaps "alias=NAME",
  // under which steps get it then. Empty: every device. kInvalidArgument: another form.
  static StatusOr<DeviceGrants> Parse(string_view text);

  // Grants what `more` does, too.
  void Add(const DeviceGrants& more);
  // What both grant.
  DeviceGrants Intersect(const DeviceGrants& other) const;

  // The qualified names of the devices that a step gets when it asks for `requests`.
  // kPermissionDenied: one is neither granted nor for everybody; else see DeviceCatalog::Find.
  StatusOr<std::vector<std::string>> Resolve(const std::vector<devices::DeviceRequest>& requests,
                                             const devices::DeviceCatalog& catalog) const;

 private:
  bool all_ = false;
  // By the name that steps use; the device when that is an alias, else empty.
  std::map<std::string, std::string> named_;
};

}  // namespace cairn::solver

// DeviceCatalog: the devices that a set of files defines, and what containers get with them.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/devices/device_spec.h"
#include "runtime/base/status.h"

namespace cairn::devices {

// A spec and where it came from.
struct LoadedSpec {
  std::string path;
  int priority = 0;  // the directory's: of two definitions of a device the higher one counts
  std::shared_ptr<const DeviceSpec> spec;
};

struct Device {
  std::map<std::string, std::string> annotations;  // the spec's, then its own
  bool auto_allow = false;                         // for steps of every build, without being asked
  std::shared_ptr<const DeviceSpec> spec;
  const SpecDevice* definition = nullptr;  // in `spec`
};

// What a step asks for.
struct DeviceRequest {
  // "vendor/class=name"; "vendor/class=*", all of that kind; "vendor/class", the first of that
  // kind; or a class, as an annotation of devices names it.
  std::string name;
  bool optional = false;
};

// An immutable value.
class DeviceCatalog {
 public:
  DeviceCatalog() = default;
  // `auto_allowed`: kinds and devices that the configuration lets every build have. A device that
  // two specs of one priority define is left out and named in `problems`.
  DeviceCatalog(const std::vector<LoadedSpec>& specs, const std::set<std::string>& auto_allowed,
                std::vector<std::string>* problems);

  // By qualified name.
  const std::map<std::string, Device>& devices() const { return devices_; }

  // The qualified names of what is asked for, each once. kFailedPrecondition: something that is not
  // optional is not there.
  StatusOr<std::vector<std::string>> Find(const std::vector<DeviceRequest>& requests) const;

  // What a container gets with the devices `names` (qualified): each spec's edits once, before its
  // first device's. kFailedPrecondition: one is not there.
  StatusOr<ContainerEdits> EditsOf(const std::vector<std::string>& names) const;

 private:
  std::vector<std::string> FindOne(const std::string& name) const;

  std::map<std::string, Device> devices_;
};

}  // namespace cairn::devices

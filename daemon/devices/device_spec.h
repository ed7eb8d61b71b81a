// DeviceSpec: one file of the Container Device Interface, as a value.
//
// The format is the CDI specification's (cdiVersion 0.3.0 to 1.1.0): a kind ("vendor.com/class"),
// devices of that kind by name, and what a container gets with each of them and with any of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::devices {

struct DeviceNodeEdit {
  std::string path;       // in the container
  std::string host_path;  // empty: the same
  std::string type;       // b, c, u (as c), p; empty: the host's
  int64_t major = 0;
  int64_t minor = 0;
  std::optional<uint32_t> mode;
  std::string permissions;  // of "rwm"; empty: all of them
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

struct MountEdit {
  std::string host_path;
  std::string container_path;
  std::vector<std::string> options;  // as mount(8)'s: ro, nosuid, rbind
  std::string type;
};

struct HookEdit {
  std::string name;  // "createContainer"
  std::string path;
  std::vector<std::string> env;
};

struct NetDeviceEdit {
  std::string host_name;
  std::string name;
};

struct IntelRdtEdit {
  std::string clos_id;
  bool is_extended = false;  // has what version 1.1.0 added
};

// What a container gets.
struct ContainerEdits {
  std::vector<std::string> env;  // NAME=value
  std::vector<DeviceNodeEdit> device_nodes;
  std::vector<NetDeviceEdit> net_devices;
  std::vector<HookEdit> hooks;
  std::vector<MountEdit> mounts;
  std::optional<IntelRdtEdit> intel_rdt;
  std::vector<uint32_t> additional_gids;

  bool empty() const;
  // Adds `more` after these.
  void Append(const ContainerEdits& more);
};

struct SpecDevice {
  std::string name;
  std::map<std::string, std::string> annotations;
  ContainerEdits edits;
};

struct DeviceSpec {
  std::string version;  // "0.6.0"
  std::string kind;     // "vendor.com/class"
  std::map<std::string, std::string> annotations;
  std::vector<SpecDevice> devices;
  ContainerEdits edits;  // for each container with at least one of the devices

  // "vendor.com/class=name"
  std::string QualifiedName(const SpecDevice& device) const { return kind + "=" + device.name; }
};

// Whether `kind` has the form "vendor/class", both not empty.
bool IsKind(string_view kind);

// kInvalidArgument: an unknown version, or one that does not have all that is used; a malformed
// name; no device, two of one name, or one without edits; an edit that makes no sense.
Status CheckDeviceSpec(const DeviceSpec& spec);

// Reads the YAML or JSON `text` and checks it. kInvalidArgument: the line of the first error, or
// what CheckDeviceSpec says. A field that is unknown or given twice is an error.
StatusOr<DeviceSpec> ParseDeviceSpec(const std::string& text);

}  // namespace cairn::devices

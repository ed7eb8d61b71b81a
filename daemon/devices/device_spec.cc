#include "daemon/devices/device_spec.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn::devices {
namespace {

// In order; the first is what a spec needs at least.
constexpr const char* kVersions[] = {"0.3.0", "0.4.0", "0.5.0", "0.6.0",
                                     "0.7.0", "0.8.0", "1.0.0", "1.1.0"};
constexpr const char* kHookNames[] = {"prestart",       "createRuntime", "createContainer",
                                      "startContainer", "poststart",     "poststop"};

template <typename T>
void AppendAll(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

std::vector<const ContainerEdits*> AllEdits(const DeviceSpec& spec) {
  std::vector<const ContainerEdits*> all = {&spec.edits};
  for (const SpecDevice& device : spec.devices) {
    all.push_back(&device.edits);
  }
  return all;
}

// The oldest version that has everything that `edits` use.
string_view NeededVersion(const ContainerEdits& edits) {
  if (!edits.net_devices.empty() || (edits.intel_rdt && edits.intel_rdt->is_extended)) {
    return "1.1.0";
  }
  if (edits.intel_rdt || !edits.additional_gids.empty()) {
    return "0.7.0";
  }
  if (std::any_of(edits.device_nodes.begin(), edits.device_nodes.end(),
                  [](const DeviceNodeEdit& node) { return !node.host_path.empty(); })) {
    return "0.5.0";
  }
  const bool typed = std::any_of(edits.mounts.begin(), edits.mounts.end(),
                                 [](const MountEdit& mount) { return !mount.type.empty(); });
  return typed ? "0.4.0" : "0.3.0";
}

string_view NeededVersion(const DeviceSpec& spec) {
  string_view needed = "0.3.0";
  // Version numbers have one digit between points: they compare as text.
  for (const ContainerEdits* edits : AllEdits(spec)) {
    needed = std::max(needed, NeededVersion(*edits));
  }
  bool annotated = !spec.annotations.empty();
  for (const SpecDevice& device : spec.devices) {
    annotated = annotated || !device.annotations.empty();
    if (!device.name.empty() && absl::ascii_isdigit(device.name.front())) {
      needed = std::max<string_view>(needed, "0.5.0");
    }
  }
  const size_t slash = spec.kind.find('/');
  if (annotated ||
      (slash != std::string::npos && spec.kind.find('.', slash) != std::string::npos)) {
    needed = std::max<string_view>(needed, "0.6.0");
  }
  return needed;
}

Status CheckVersion(const DeviceSpec& spec) {
  const string_view version = absl::StripPrefix(spec.version, "v");
  if (std::find(std::begin(kVersions), std::end(kVersions), version) == std::end(kVersions) &&
      version != "0.1.0" && version != "0.2.0") {
    return absl::InvalidArgumentError(absl::StrCat("invalid version \"", spec.version, "\""));
  }
  const string_view needed = NeededVersion(spec);
  return version < needed ? absl::InvalidArgumentError(
                                absl::StrCat("the spec version must be at least v", needed))
                          : absl::OkStatus();
}

// Letters, digits and, inside, `marks`.
Status CheckName(string_view what, string_view name, string_view marks, bool digit_first) {
  const auto is_word = [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); };
  bool valid = !name.empty() && is_word(name.front()) && is_word(name.back()) &&
               (digit_first || !absl::ascii_isdigit(static_cast<unsigned char>(name.front())));
  for (const char c : name) {
    valid = valid && (is_word(c) || marks.find(c) != string_view::npos);
  }
  return valid ? absl::OkStatus()
               : absl::InvalidArgumentError(absl::StrCat("invalid ", what, " \"", name, "\""));
}

Status CheckEnv(const std::vector<std::string>& env) {
  for (const std::string& variable : env) {
    const size_t equals = variable.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("invalid environment variable \"", variable, "\""));
    }
  }
  return absl::OkStatus();
}

Status CheckNode(const DeviceNodeEdit& node) {
  if (node.path.empty()) {
    return absl::InvalidArgumentError("device node without a path");
  }
  for (const char* type : {"", "b", "c", "u", "p"}) {
    if (node.type == type) {
      return node.permissions.find_first_not_of("rwm") == std::string::npos
                 ? absl::OkStatus()
                 : absl::InvalidArgumentError(absl::StrCat(
                       "device ", node.path, ": invalid permissions \"", node.permissions, "\""));
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("device ", node.path, ": invalid type \"", node.type, "\""));
}

Status CheckHook(const HookEdit& hook) {
  if (std::find(std::begin(kHookNames), std::end(kHookNames), hook.name) == std::end(kHookNames)) {
    return absl::InvalidArgumentError(absl::StrCat("invalid hook name \"", hook.name, "\""));
  }
  if (hook.path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("hook ", hook.name, " without a path"));
  }
  return CheckEnv(hook.env);
}

Status CheckEdits(const ContainerEdits& edits) {
  RETURN_IF_ERROR(CheckEnv(edits.env));
  for (const DeviceNodeEdit& node : edits.device_nodes) {
    RETURN_IF_ERROR(CheckNode(node));
  }
  for (const HookEdit& hook : edits.hooks) {
    RETURN_IF_ERROR(CheckHook(hook));
  }
  for (const MountEdit& mount : edits.mounts) {
    if (mount.host_path.empty() || mount.container_path.empty()) {
      return absl::InvalidArgumentError("mount without a host path or a container path");
    }
  }
  std::set<std::string> hosts;
  std::set<std::string> names;
  for (const NetDeviceEdit& device : edits.net_devices) {
    if (device.host_name.empty() || device.name.empty() || !hosts.insert(device.host_name).second ||
        !names.insert(device.name).second) {
      return absl::InvalidArgumentError("network device without a name or with another's");
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool ContainerEdits::empty() const {
  return env.empty() && device_nodes.empty() && net_devices.empty() && hooks.empty() &&
         mounts.empty() && !intel_rdt && additional_gids.empty();
}

void ContainerEdits::Append(const ContainerEdits& more) {
  AppendAll(env, more.env);
  AppendAll(device_nodes, more.device_nodes);
  AppendAll(net_devices, more.net_devices);
  AppendAll(hooks, more.hooks);
  AppendAll(mounts, more.mounts);
  if (more.intel_rdt) {
    intel_rdt = more.intel_rdt;
  }
  AppendAll(additional_gids, more.additional_gids);
}

bool IsKind(string_view kind) {
  const size_t slash = kind.find('/');
  return slash != string_view::npos && slash != 0 && slash + 1 < kind.size();
}

Status CheckDeviceSpec(const DeviceSpec& spec) {
  RETURN_IF_ERROR(CheckVersion(spec));
  const size_t slash = spec.kind.find('/');
  if (slash == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("kind \"", spec.kind, "\" has no vendor"));
  }
  RETURN_IF_ERROR(CheckName("vendor", string_view(spec.kind).substr(0, slash), "_-.", false));
  RETURN_IF_ERROR(CheckName("class", string_view(spec.kind).substr(slash + 1), "_-.", false));
  RETURN_IF_ERROR(CheckEdits(spec.edits));
  std::set<std::string> names;
  for (const SpecDevice& device : spec.devices) {
    RETURN_IF_ERROR(CheckName("device name", device.name, "_-.:", true));
    if (device.edits.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("device \"", device.name, "\" has no edits"));
    }
    RETURN_IF_ERROR_IN(CheckEdits(device.edits), absl::StrCat("device \"", device.name, "\""));
    if (!names.insert(device.name).second) {
      return absl::InvalidArgumentError(absl::StrCat("more than one device \"", device.name, "\""));
    }
  }
  return names.empty() ? absl::InvalidArgumentError("no devices") : absl::OkStatus();
}

}  // namespace cairn::devices

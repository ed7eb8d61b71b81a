#include <yaml-cpp/yaml.h>

#include <charconv>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/devices/device_spec.h"

namespace cairn::devices {
namespace {

// Errors in here are yaml-cpp's exceptions, caught where the text comes in.
[[noreturn]] void Fail(const YAML::Node& node, const std::string& message) {
  throw YAML::RepresentationException(node.Mark(), message);
}

// Decimal, 0x, 0o or 0 (octal), as YAML's versions have it.
uint64_t ParseNumber(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  string_view digits = text;
  int base = 10;
  if (absl::ConsumePrefix(&digits, "0x")) {
    base = 16;
  } else if (absl::ConsumePrefix(&digits, "0o") ||
             (digits.size() > 1 && absl::ConsumePrefix(&digits, "0"))) {
    base = 8;
  }
  uint64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, number, base);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    Fail(node, absl::StrCat("\"", text, "\" is not a number"));
  }
  return number;
}

void Convert(const YAML::Node& node, std::string* value) {
  if (!node.IsScalar()) {
    Fail(node, "a text is expected");
  }
  *value = node.Scalar();
}

template <typename T>
requires std::is_unsigned_v<T> || std::is_same_v<T, int64_t>
void Convert(const YAML::Node& node, T* value) {
  if (!node.IsScalar()) {
    Fail(node, "a number is expected");
  }
  const uint64_t number = ParseNumber(node);
  if (number > static_cast<uint64_t>(std::numeric_limits<T>::max())) {
    Fail(node, absl::StrCat(number, " is too large"));
  }
  *value = static_cast<T>(number);
}

void Convert(const YAML::Node& node, std::map<std::string, std::string>* value) {
  if (!node.IsMap()) {
    Fail(node, "a mapping is expected");
  }
  for (const auto& entry : node) {
    std::string key;
    Convert(entry.first, &key);
    if (value->count(key) > 0) {
      Fail(entry.first, absl::StrCat("\"", key, "\" is given twice"));
    }
    Convert(entry.second, &(*value)[key]);
  }
}

// The fields of a mapping, each read once; what is left at the end is an error.
class Mapping {
 public:
  explicit Mapping(const YAML::Node& node) : node_(node) {
    if (!node.IsMap()) {
      Fail(node, "a mapping is expected");
    }
    for (const auto& entry : node) {
      std::string key;
      Convert(entry.first, &key);
      if (!fields_.emplace(key, entry.second).second) {
        Fail(entry.first, absl::StrCat("field \"", key, "\" is given twice"));
      }
    }
  }

  template <typename T>
  Mapping& Read(const char* name, T* value);

  void End() const {
    if (!fields_.empty()) {
      Fail(fields_.begin()->second, absl::StrCat("unknown field \"", fields_.begin()->first, "\""));
    }
  }

 private:
  const YAML::Node node_;
  std::map<std::string, YAML::Node> fields_;
};

void Convert(const YAML::Node& node, DeviceNodeEdit* value) {
  Mapping(node)
      .Read("path", &value->path)
      .Read("hostPath", &value->host_path)
      .Read("type", &value->type)
      .Read("major", &value->major)
      .Read("minor", &value->minor)
      .Read("fileMode", &value->mode)
      .Read("permissions", &value->permissions)
      .Read("uid", &value->uid)
      .Read("gid", &value->gid)
      .End();
}

void Convert(const YAML::Node& node, MountEdit* value);
void Convert(const YAML::Node& node, HookEdit* value);
void Convert(const YAML::Node& node, NetDeviceEdit* value);
void Convert(const YAML::Node& node, IntelRdtEdit* value);
void Convert(const YAML::Node& node, ContainerEdits* value);
void Convert(const YAML::Node& node, SpecDevice* value);

template <typename T>
void Convert(const YAML::Node& node, std::optional<T>* value) {
  Convert(node, &value->emplace());
}

template <typename T>
void Convert(const YAML::Node& node, std::vector<T>* value) {
  if (!node.IsSequence()) {
    Fail(node, "a list is expected");
  }
  for (const YAML::Node& element : node) {
    Convert(element, &value->emplace_back());
  }
}

template <typename T>
Mapping& Mapping::Read(const char* name, T* value) {
  const auto field = fields_.find(name);
  if (field != fields_.end()) {
    if (!field->second.IsNull()) {
      Convert(field->second, value);
    }
    fields_.erase(field);
  }
  return *this;
}

void Convert(const YAML::Node& node, MountEdit* value) {
  Mapping(node)
      .Read("hostPath", &value->host_path)
      .Read("containerPath", &value->container_path)
      .Read("options", &value->options)
      .Read("type", &value->type)
      .End();
}

void Convert(const YAML::Node& node, HookEdit* value) {
  std::vector<std::string> args;
  uint64_t timeout = 0;
  Mapping(node)
      .Read("hookName", &value->name)
      .Read("path", &value->path)
      .Read("args", &args)
      .Read("env", &value->env)
      .Read("timeout", &timeout)
      .End();
}

void Convert(const YAML::Node& node, NetDeviceEdit* value) {
  Mapping(node).Read("hostInterfaceName", &value->host_name).Read("name", &value->name).End();
}

void Convert(const YAML::Node& node, IntelRdtEdit* value) {
  std::string l3_cache;
  std::string bandwidth;
  std::vector<std::string> schemata;
  std::string monitoring;
  Mapping(node)
      .Read("closID", &value->clos_id)
      .Read("l3CacheSchema", &l3_cache)
      .Read("memBwSchema", &bandwidth)
      .Read("schemata", &schemata)
      .Read("enableMonitoring", &monitoring)
      .End();
  value->is_extended = !schemata.empty() || monitoring == "true";
}

void Convert(const YAML::Node& node, ContainerEdits* value) {
  Mapping(node)
      .Read("env", &value->env)
      .Read("deviceNodes", &value->device_nodes)
      .Read("netDevices", &value->net_devices)
      .Read("hooks", &value->hooks)
      .Read("mounts", &value->mounts)
      .Read("intelRdt", &value->intel_rdt)
      .Read("additionalGids", &value->additional_gids)
      .End();
}

void Convert(const YAML::Node& node, SpecDevice* value) {
  Mapping(node)
      .Read("name", &value->name)
      .Read("annotations", &value->annotations)
      .Read("containerEdits", &value->edits)
      .End();
}

}  // namespace

StatusOr<DeviceSpec> ParseDeviceSpec(const std::string& text) {
  DeviceSpec spec;
  try {
    const YAML::Node node = YAML::Load(text);
    Mapping(node)
        .Read("cdiVersion", &spec.version)
        .Read("kind", &spec.kind)
        .Read("annotations", &spec.annotations)
        .Read("devices", &spec.devices)
        .Read("containerEdits", &spec.edits)
        .End();
  } catch (const YAML::Exception& error) {
    const std::string line =
        error.mark.is_null() ? "" : absl::StrCat("line ", error.mark.line + 1, ": ");
    return absl::InvalidArgumentError(absl::StrCat(line, error.msg));
  }
  RETURN_IF_ERROR(CheckDeviceSpec(spec));
  return spec;
}

}  // namespace cairn::devices

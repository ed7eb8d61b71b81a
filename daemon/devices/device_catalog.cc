#include "daemon/devices/device_catalog.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/fields.h"
#include "runtime/base/go_quote.h"

namespace cairn::devices {
namespace {

constexpr char kClass[] = "org.mobyproject.buildkit.device.class";
constexpr char kAutoAllow[] = "org.mobyproject.buildkit.device.autoallow";

Status NotRegistered(const std::string& name) {
  return absl::FailedPreconditionError(
      absl::StrCat("required device ", GoQuote(name), " is not registered"));
}

bool SaysAutoAllow(const std::map<std::string, std::string>& annotations) {
  const auto found = annotations.find(kAutoAllow);
  return found != annotations.end() && ParseGoBool(found->second).value_or(false);
}

}  // namespace

DeviceCatalog::DeviceCatalog(const std::vector<LoadedSpec>& specs,
                             const std::set<std::string>& auto_allowed,
                             std::vector<std::string>* problems) {
  std::map<std::string, const LoadedSpec*> owners;
  std::set<std::string> conflicts;
  for (const LoadedSpec& loaded : specs) {
    for (const SpecDevice& device : loaded.spec->devices) {
      const std::string name = loaded.spec->QualifiedName(device);
      const LoadedSpec*& owner = owners[name];
      if (owner != nullptr && owner->priority == loaded.priority) {
        problems->push_back(
            absl::StrCat("conflicting device ", name, " in ", owner->path, " and ", loaded.path));
        conflicts.insert(name);
      }
      if (owner != nullptr && owner->priority >= loaded.priority) {
        continue;
      }
      owner = &loaded;
      Device entry{.annotations = device.annotations, .spec = loaded.spec, .definition = &device};
      entry.annotations.insert(loaded.spec->annotations.begin(), loaded.spec->annotations.end());
      entry.auto_allow = auto_allowed.count(name) > 0 ||
                         auto_allowed.count(loaded.spec->kind) > 0 ||
                         SaysAutoAllow(entry.annotations);
      devices_.insert_or_assign(name, std::move(entry));
    }
  }
  for (const std::string& name : conflicts) {
    devices_.erase(name);
  }
}

std::vector<std::string> DeviceCatalog::FindOne(const std::string& name) const {
  const size_t equals = name.find('=');
  const std::string kind = name.substr(0, equals);
  const std::string wanted = equals == std::string::npos ? "" : name.substr(equals + 1);
  std::vector<std::string> found;
  if (IsKind(kind)) {
    const std::string prefix = absl::StrCat(kind, "=");
    for (auto it = devices_.lower_bound(prefix);
         it != devices_.end() && absl::StartsWith(it->first, prefix); ++it) {
      if (wanted == "*" || (wanted.empty() && found.empty()) || it->first == name) {
        found.push_back(it->first);
      }
    }
  }
  if (!found.empty()) {
    return found;
  }
  for (const auto& [qualified, device] : devices_) {
    const auto annotation = device.annotations.find(kClass);
    if (annotation != device.annotations.end() && annotation->second == name) {
      found.push_back(qualified);
    }
  }
  return found;
}

StatusOr<std::vector<std::string>> DeviceCatalog::Find(
    const std::vector<DeviceRequest>& requests) const {
  std::vector<std::string> names;
  for (const DeviceRequest& request : requests) {
    const std::vector<std::string> found = FindOne(request.name);
    if (found.empty() && !request.optional) {
      return NotRegistered(request.name);
    }
    for (const std::string& name : found) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(name);
      }
    }
  }
  return names;
}

StatusOr<ContainerEdits> DeviceCatalog::EditsOf(const std::vector<std::string>& names) const {
  ContainerEdits edits;
  std::set<const DeviceSpec*> specs;
  for (const std::string& name : names) {
    const auto device = devices_.find(name);
    if (device == devices_.end()) {
      return NotRegistered(name);
    }
    if (specs.insert(device->second.spec.get()).second) {
      edits.Append(device->second.spec->edits);
    }
    edits.Append(device->second.definition->edits);
  }
  return edits;
}

}  // namespace cairn::devices

#include "daemon/devices/device_registry.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/fd.h"

namespace cairn::devices {
namespace {

constexpr uint64_t kMaxSpecBytes = 1 << 20;

// In order of their names; none when there is no such directory.
std::vector<std::string> SpecFiles(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const std::string extension = it->path().extension();
    if ((extension == ".yaml" || extension == ".json") && !it->is_directory(error)) {
      files.push_back(it->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

StatusOr<DeviceSpec> ReadSpec(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxSpecBytes));
  return ParseDeviceSpec(text);
}

}  // namespace

DeviceCatalog DeviceRegistry::Read() const {
  std::vector<LoadedSpec> specs;
  std::vector<std::string> problems;
  int priority = 0;
  for (const std::string& directory : options_.directories) {
    for (const std::string& path : SpecFiles(directory)) {
      StatusOr<DeviceSpec> spec = ReadSpec(path);
      if (spec.ok()) {
        specs.push_back({.path = path,
                         .priority = priority,
                         .spec = std::make_shared<const DeviceSpec>(*std::move(spec))});
      } else if (!absl::IsNotFound(spec.status())) {
        problems.push_back(absl::StrCat("read ", path, ": ", spec.status().message()));
      }
    }
    ++priority;
  }
  DeviceCatalog catalog(specs, options_.auto_allowed, &problems);
  Report(problems);
  return catalog;
}

void DeviceRegistry::Report(const std::vector<std::string>& problems) const {
  for (const std::string& problem : problems) {
    bool is_new = false;
    {
      MutexLock lock(mu_);
      is_new = reported_.insert(problem).second;
    }
    if (is_new) {
      log_.Warn("device specification left out", {{"problem", problem}});
    }
  }
}

}  // namespace cairn::devices

// DeviceRegistry: the directories in which this host's devices are described.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "daemon/devices/device_catalog.h"
#include "runtime/base/log.h"
#include "runtime/base/sync.h"

namespace cairn::devices {

// Thread-safe.
class DeviceRegistry {
 public:
  struct Options {
    // Files *.yaml and *.json directly in them count; a later directory wins over an earlier one.
    std::vector<std::string> directories;
    // See DeviceCatalog.
    std::set<std::string> auto_allowed;
  };
  // `log` outlives the registry.
  DeviceRegistry(Options options, Logger& log) : options_(std::move(options)), log_(log) {}
  DeviceRegistry(const DeviceRegistry&) = delete;
  DeviceRegistry& operator=(const DeviceRegistry&) = delete;

  // What the files say now. A file that cannot be read or is wrong is left out, and logged once.
  DeviceCatalog Read() const;

 private:
  void Report(const std::vector<std::string>& problems) const;

  const Options options_;
  Logger& log_;
  mutable Mutex mu_;
  mutable std::set<std::string> reported_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::devices

// The containers that the driver of a build has made (NewContainer), by the ids it chose.
//
// Thread-safe. Containers are shared with the calls that use them while they are released.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "daemon/ops/gateway_container.h"
#include "runtime/base/sync.h"

namespace cairn::control {

class BuildContainers {
 public:
  // kAlreadyExists for an id in use.
  Status Add(const std::string& id, std::shared_ptr<ops::GatewayContainer> container);
  // kNotFound "container \"<id>\" previously released or not created".
  StatusOr<std::shared_ptr<ops::GatewayContainer>> Find(const std::string& id) const;
  // Kills what runs in it: kCancelled when its first process did. OK for an unknown id.
  Status Release(const std::string& id);
  void ReleaseAll();

 private:
  mutable Mutex mu_;
  std::map<std::string, std::shared_ptr<ops::GatewayContainer>> containers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::control

#include "daemon/control/build_containers.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace cairn::control {

Status BuildContainers::Add(const std::string& id,
                            std::shared_ptr<ops::GatewayContainer> container) {
  MutexLock lock(mu_);
  if (!containers_.emplace(id, std::move(container)).second) {
    return absl::AlreadyExistsError(absl::StrCat("Container ", id, " already exists"));
  }
  return absl::OkStatus();
}

StatusOr<std::shared_ptr<ops::GatewayContainer>> BuildContainers::Find(
    const std::string& id) const {
  MutexLock lock(mu_);
  const auto found = containers_.find(id);
  if (found == containers_.end()) {
    return absl::NotFoundError(
        absl::StrCat("container \"", id, "\" previously released or not created"));
  }
  return found->second;
}

Status BuildContainers::Release(const std::string& id) {
  std::shared_ptr<ops::GatewayContainer> container;
  {
    MutexLock lock(mu_);
    const auto found = containers_.find(id);
    if (found == containers_.end()) {
      return absl::OkStatus();
    }
    container = std::move(found->second);
    containers_.erase(found);
  }
  return container->Release();
}

void BuildContainers::ReleaseAll() {
  std::map<std::string, std::shared_ptr<ops::GatewayContainer>> containers;
  {
    MutexLock lock(mu_);
    containers.swap(containers_);
  }
  for (const auto& entry : containers) {
    entry.second->Release().IgnoreError();
  }
}

}  // namespace cairn::control

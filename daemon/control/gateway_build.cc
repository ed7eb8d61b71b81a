#include "daemon/control/gateway_build.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/solver/solver.h"
#include "runtime/base/random_id.h"

namespace cairn::control {

GatewayBuild::GatewayBuild(std::string id, solver::Bridge& bridge, const CancelToken& build)
    : id_(std::move(id)), bridge_(bridge), cancel_(build) {}

std::string GatewayBuild::AddRef(solver::RefPtr ref) {
  if (ref == nullptr) {
    return "";
  }
  std::string id = RandomId();
  MutexLock lock(mu_);
  refs_[id] = std::move(ref);
  return id;
}

StatusOr<solver::RefPtr> GatewayBuild::FindRef(const std::string& id) const {
  if (id.empty()) {
    return solver::RefPtr();
  }
  MutexLock lock(mu_);
  const auto found = refs_.find(id);
  if (found == refs_.end()) {
    solver::Job* job = bridge_.job();
    solver::RefPtr kept = job == nullptr ? nullptr : job->memory().Find(id);
    if (kept != nullptr) {
      return kept;
    }
    return absl::NotFoundError(absl::StrCat("no such ref: ", id));
  }
  return found->second;
}

Status GatewayBuild::Return(StatusOr<solver::FrontendResult> result) {
  MutexLock lock(mu_);
  if (returned_.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat("build ", id_, " has returned before"));
  }
  returned_ = std::move(result);
  changed_.NotifyAll();
  return absl::OkStatus();
}

StatusOr<solver::FrontendResult> GatewayBuild::WaitForReturn(const CancelToken& cancel) {
  CancelCallback on_cancel(cancel, [this] {
    MutexLock lock(mu_);
    changed_.NotifyAll();
  });
  MutexLock lock(mu_);
  while (!returned_.has_value()) {
    RETURN_IF_ERROR(cancel.Check());
    changed_.Wait(mu_);
  }
  return *returned_;
}

bool GatewayBuild::EnterCall() {
  MutexLock lock(mu_);
  calls_ += closed_ ? 0 : 1;
  return !closed_;
}

void GatewayBuild::LeaveCall() {
  MutexLock lock(mu_);
  --calls_;
  changed_.NotifyAll();
}

void GatewayBuild::Close() {
  cancel_.Cancel();
  containers_.ReleaseAll();
  std::map<std::string, solver::RefPtr> refs;
  {
    MutexLock lock(mu_);
    closed_ = true;
    while (calls_ > 0) {
      changed_.Wait(mu_);
    }
    refs.swap(refs_);
    returned_.reset();
  }
}

}  // namespace cairn::control

// A build that is driven through the gateway: by a client (Solve with neither frontend nor
// definition) or by a frontend that is an image. Holds the results by the ids that it gave out, and
// what the driver returns in the end.
//
// Thread-safe. Shared by the build that waits and the calls that come in for it.
#pragma once

#include <map>
#include <string>

#include "daemon/control/build_containers.h"
#include "daemon/solver/frontend.h"
#include "runtime/base/cancel.h"
#include "runtime/base/sync.h"

namespace cairn::control {

class GatewayBuild {
 public:
  // `bridge` is used until Close has returned and the calls that were running have ended.
  GatewayBuild(std::string id, solver::Bridge& bridge, const CancelToken& build);

  const std::string& id() const { return id_; }
  solver::Bridge& bridge() { return bridge_; }
  BuildContainers& containers() { return containers_; }
  // Fires when the build ends: calls that still run for it end too.
  CancelToken cancel() const { return cancel_.token(); }

  // Remembers `ref` until the build ends and returns its id; "" for scratch.
  std::string AddRef(solver::RefPtr ref);
  // The ref of `id`, null for ""; also one that a failed step of the build left. kNotFound for an
  // id that was not given out.
  StatusOr<solver::RefPtr> FindRef(const std::string& id) const;

  // Ends the build with a result or an error. kFailedPrecondition the second time.
  Status Return(StatusOr<solver::FrontendResult> result);
  // Waits for Return.
  StatusOr<solver::FrontendResult> WaitForReturn(const CancelToken& cancel);

  // Marks a call that uses the bridge. False when the build is over.
  bool EnterCall();
  void LeaveCall();
  // Cancels the running calls, waits until they have ended, and lets go of the refs and containers.
  void Close();

 private:
  const std::string id_;
  solver::Bridge& bridge_;
  CancelSource cancel_;
  BuildContainers containers_;

  mutable Mutex mu_;
  CondVar changed_;
  std::map<std::string, solver::RefPtr> refs_ ABSL_GUARDED_BY(mu_);
  std::optional<StatusOr<solver::FrontendResult>> returned_ ABSL_GUARDED_BY(mu_);
  int calls_ ABSL_GUARDED_BY(mu_) = 0;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cairn::control

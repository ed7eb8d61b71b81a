// One call's use of a gateway build: the build does not end while it lasts, and it is cancelled
// when the build ends.
#pragma once

#include "daemon/control/gateway_build.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::control {

class BuildCall {
 public:
  BuildCall(GatewayBuild& build, const CancelToken& call)
      : build_(build),
        entered_(build.EnterCall()),
        cancel_(call),
        on_build_end_(build.cancel(), [this] { cancel_.Cancel(); }) {}
  ~BuildCall() {
    if (entered_) {
      build_.LeaveCall();
    }
  }
  BuildCall(const BuildCall&) = delete;
  BuildCall& operator=(const BuildCall&) = delete;

  // kNotFound when the build is over; then nothing else may be done with it.
  Status status() const {
    return entered_ ? absl::OkStatus() : absl::NotFoundError("no such job " + build_.id());
  }
  // Fires when the call or the build ends.
  CancelToken cancel() const { return cancel_.token(); }

 private:
  GatewayBuild& build_;
  const bool entered_;
  CancelSource cancel_;
  const CancelCallback on_build_end_;
};

}  // namespace cairn::control

#include "client/gateway_build.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/client_id.h"
#include "client/render_error.h"
#include "runtime/base/digest.h"
#include "runtime/base/thread_pool.h"

namespace cairn::client {

GatewayBuild::GatewayBuild(Connection& connection, const CancelToken& cancel)
    : connection_(connection),
      cancel_(cancel),
      bridge_(LLBBridge::NewStub(connection.channel())),
      control_(moby::buildkit::v1::Control::NewStub(connection.channel())),
      id_(Digest::Of(absl::StrCat(ClientId(), ::getpid(), absl::ToUnixNanos(absl::Now())))
              .hex()
              .substr(0, 25)) {}

GatewayBuild::~GatewayBuild() {
  if (!thread_.joinable()) {
    return;
  }
  grpc::ClientContext context;
  Prepare(context);
  moby::buildkit::v1::frontend::ReturnRequest done;
  done.mutable_result();
  moby::buildkit::v1::frontend::ReturnResponse response;
  if (!bridge_->Return(&context, done, &response).ok()) {
    solve_context_.TryCancel();
  }
  thread_.join();
}

Status GatewayBuild::Start(bool host_network) {
  ASSIGN_OR_RETURN(session_, Session::Start(connection_, {.shared_key = ClientId()}));
  thread_ = StartThread("run-build", [this, host_network] {
    moby::buildkit::v1::SolveRequest request;
    request.set_ref(id_);
    request.set_session(session_->id());
    request.set_internal(true);
    if (host_network) {
      request.add_entitlements("network.host");
    }
    moby::buildkit::v1::SolveResponse response;
    const grpc::Status status = control_->Solve(&solve_context_, request, &response);
    MutexLock lock(mu_);
    solved_ = FromDaemon(status);
  });
  moby::buildkit::v1::frontend::PongResponse pong;
  return Call([&](grpc::ClientContext& context) { return bridge_->Ping(&context, {}, &pong); });
}

Status GatewayBuild::Call(const std::function<grpc::Status(grpc::ClientContext&)>& body) {
  grpc::ClientContext context;
  Prepare(context);
  const CancelCallback on_cancel(cancel_, [&context] { context.TryCancel(); });
  const Status status = FromDaemon(body(context));
  RETURN_IF_ERROR(cancel_.Check());
  MutexLock lock(mu_);
  return status.ok() || solved_.ok() ? status : solved_;
}

void GatewayBuild::Prepare(grpc::ClientContext& context) const {
  context.AddMetadata("buildkit-controlapi-buildid", id_);
}

}  // namespace cairn::client

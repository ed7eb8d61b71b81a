#include "daemon/control/health_service.h"

#include "absl/time/time.h"

namespace cairn::control {
namespace {

namespace health = grpc::health::v1;

// Longer than any call lives.
constexpr absl::Duration kForever = absl::Hours(24 * 365);

}  // namespace

health::HealthCheckResponse::ServingStatus HealthService::StatusNow() const {
  return draining_.cancelled() ? health::HealthCheckResponse::NOT_SERVING
                               : health::HealthCheckResponse::SERVING;
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const health::HealthCheckRequest*,
                                               health::HealthCheckResponse* response) {
  response->set_status(StatusNow());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* HealthService::List(grpc::CallbackServerContext* context,
                                              const health::HealthListRequest*,
                                              health::HealthListResponse* response) {
  (*response->mutable_statuses())[""].set_status(StatusNow());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<health::HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* context, const health::HealthCheckRequest* request) {
  using WatchCall = WriteCall<health::HealthCheckRequest, health::HealthCheckResponse>;
  return WatchCall::Start(
      threads_, context, request,
      [this](const CallInfo& info, const health::HealthCheckRequest&, WatchCall& call) -> Status {
        health::HealthCheckResponse response;
        response.set_status(StatusNow());
        if (call.Write(response) && response.status() == health::HealthCheckResponse::SERVING) {
          CancelSource ended(info.cancel);
          CancelCallback on_drain(draining_, [&ended] { ended.Cancel(); });
          ended.token().WaitFor(kForever);
          response.set_status(StatusNow());
          call.Write(response);
        }
        info.cancel.WaitFor(kForever);
        return info.cancel.Check();
      });
}

}  // namespace cairn::control

// grpc.health.v1.Health: the daemon is well while it serves and until it drains.
#pragma once

#include "daemon/control/rpc_call.h"
#include "proto/health.grpc.pb.h"

namespace cairn::control {

// Thread-safe.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `draining` fires when the daemon takes no more builds. `threads` outlives the service.
  HealthService(CallThreads& threads, const CancelToken& draining)
      : threads_(threads), draining_(draining) {}

 private:
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const grpc::health::v1::HealthListRequest* request,
                                 grpc::health::v1::HealthListResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

  grpc::health::v1::HealthCheckResponse::ServingStatus StatusNow() const;

  CallThreads& threads_;
  const CancelToken draining_;
};

}  // namespace cairn::control

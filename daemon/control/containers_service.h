// cairn.v1.Containers: connections into the containers of gateway builds, for `cairn run -p`.
//
// Thread-safe. Each connection takes its call's thread and one more.
#pragma once

#include "daemon/control/bridge_service.h"
#include "daemon/control/rpc_call.h"
#include "proto/cairn.grpc.pb.h"

namespace cairn::control {

class ContainersService final : public cairn::v1::Containers::CallbackService {
 public:
  // `threads` outlives the service.
  ContainersService(CallThreads& threads, BuildFinder find_build)
      : threads_(threads), find_build_(std::move(find_build)) {}

 private:
  grpc::ServerBidiReactor<cairn::v1::ConnectRequest, cairn::v1::ConnectResponse>* Connect(
      grpc::CallbackServerContext* context) override;

  CallThreads& threads_;
  const BuildFinder find_build_;
};

}  // namespace cairn::control

// A gateway build that does nothing but hold a container: begun with Solve, driven through
// LLBBridge, and ended by the destructor, with which the container goes.
//
// Call and Prepare are thread-safe. For the .cc files of this module that drive such a build.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "client/connection.h"
#include "client/session.h"
#include "proto/control.grpc.pb.h"
#include "proto/gateway.grpc.pb.h"
#include "runtime/base/cancel.h"
#include "runtime/base/sync.h"

namespace cairn::client {

class GatewayBuild {
 public:
  using LLBBridge = moby::buildkit::v1::frontend::LLBBridge;

  // The calls of Call end when `cancel` fires; the build and its container do not.
  GatewayBuild(Connection& connection, const CancelToken& cancel);
  ~GatewayBuild();
  GatewayBuild(const GatewayBuild&) = delete;
  GatewayBuild& operator=(const GatewayBuild&) = delete;

  // Returns when the daemon takes calls for it.
  Status Start(bool host_network);

  // Runs one call of the bridge for this build; when the build itself has failed, that is the
  // error.
  Status Call(const std::function<grpc::Status(grpc::ClientContext&)>& body);

  // Marks a call as one for this build.
  void Prepare(grpc::ClientContext& context) const;

  Connection& connection() { return connection_; }
  LLBBridge::Stub& bridge() { return *bridge_; }

 private:
  Connection& connection_;
  const CancelToken cancel_;
  const std::unique_ptr<LLBBridge::Stub> bridge_;
  const std::unique_ptr<moby::buildkit::v1::Control::Stub> control_;
  const std::string id_;
  std::unique_ptr<Session> session_;
  grpc::ClientContext solve_context_;
  std::thread thread_;
  Mutex mu_;
  Status solved_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::client

// A client's end of a session, in this process.
#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/session/session.h"
#include "proto/health.grpc.pb.h"

namespace cairn::session {

// Serves the given services on an in-process channel, which the session is made from.
class FakeClient {
 public:
  explicit FakeClient(const std::vector<grpc::Service*>& services,
                      std::vector<std::string> methods = {}, const std::string& id = "client") {
    grpc::ServerBuilder builder;
    for (grpc::Service* service : services) {
      builder.RegisterService(service);
    }
    // gRPC wants at least one service.
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
    SessionInfo info;
    info.id = id;
    info.methods = std::move(methods);
    session_ = std::make_shared<Session>(info, server_->InProcessChannel({}));
  }
  ~FakeClient() { server_->Shutdown(std::chrono::system_clock::now()); }

  Session& session() { return *session_; }
  const std::shared_ptr<Session>& shared_session() { return session_; }
  grpc::Server& server() { return *server_; }

 private:
  grpc::health::v1::Health::Service health_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<Session> session_;
};

}  // namespace cairn::session

#include "daemon/control/frontend_server.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "daemon/control/bridge_service.h"
#include "daemon/control/health_service.h"

namespace cairn::control {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;
// How long the answer to the frontend's Return may take to reach it.
constexpr std::chrono::seconds kFarewell(2);

// A build's bridge with the inputs of one frontend in it.
class NestedBridge final : public solver::Bridge {
 public:
  NestedBridge(solver::Bridge& build, const std::map<std::string, pb::Definition>& inputs)
      : build_(build), inputs_(inputs) {}

  solver::Job* job() override { return build_.job(); }
  StatusOr<solver::FrontendResult> Solve(const solver::SolveRequest& request,
                                         const CancelToken& cancel) override {
    return build_.Solve(request, cancel);
  }
  StatusOr<solver::ImageConfig> ResolveImageConfig(const solver::ResolveImageRequest& request,
                                                   const CancelToken& cancel) override {
    return build_.ResolveImageConfig(request, cancel);
  }
  StatusOr<solver::SourceMeta> ResolveSourceMeta(const solver::ResolveSourceRequest& request,
                                                 const CancelToken& cancel) override {
    return build_.ResolveSourceMeta(request, cancel);
  }
  StatusOr<std::string> ReadFile(const solver::RefPtr& ref, string_view path,
                                 std::optional<solver::FileRange> range,
                                 const CancelToken& cancel) override {
    return build_.ReadFile(ref, path, range, cancel);
  }
  StatusOr<std::vector<solver::FileStat>> ReadDir(const solver::RefPtr& ref, string_view path,
                                                  string_view include_pattern,
                                                  const CancelToken& cancel) override {
    return build_.ReadDir(ref, path, include_pattern, cancel);
  }
  StatusOr<solver::FileStat> StatFile(const solver::RefPtr& ref, string_view path,
                                      const CancelToken& cancel) override {
    return build_.StatFile(ref, path, cancel);
  }
  Status Warn(solver::WarningEvent warning) override { return build_.Warn(std::move(warning)); }
  const std::vector<Platform>& platforms() const override { return build_.platforms(); }
  const std::map<std::string, pb::Definition>& inputs() const override { return inputs_; }
  std::string session_id() const override { return build_.session_id(); }

 private:
  solver::Bridge& build_;
  const std::map<std::string, pb::Definition>& inputs_;
};

}  // namespace

StatusOr<solver::FrontendResult> FrontendServer::Serve(solver::Bridge& bridge,
                                                       const solver::FrontendRequest& request,
                                                       UniqueFd connection,
                                                       const CancelToken& cancel) {
  if (fcntl(connection.get(), F_SETFL, O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "serve the frontend");
  }
  NestedBridge nested(bridge, request.inputs);
  // Shared with the calls, as every gateway build is.
  const auto build = std::make_shared<GatewayBuild>("of this frontend", nested, cancel);
  BridgeService service(
      threads_, worker_,
      [&build](const CallInfo&) -> StatusOr<std::shared_ptr<GatewayBuild>> { return build; },
      containers_);
  HealthService health(threads_, cancel);
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.RegisterService(&service);
  builder.RegisterService(&health);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    return absl::InternalError("serve the frontend: no gRPC server");
  }
  grpc::AddInsecureChannelFromFd(server.get(), connection.Release());
  auto result = build->WaitForReturn(cancel);
  server->Shutdown(std::chrono::system_clock::now() + kFarewell);
  build->Close();
  server->Wait();
  return result;
}

std::string FrontendServer::workers_json() const {
  nlohmann::json platforms = nlohmann::json::array();
  for (const Platform& platform : worker_.platforms) {
    nlohmann::json entry = {{"architecture", platform.architecture}, {"os", platform.os}};
    if (!platform.variant.empty()) {
      entry["variant"] = platform.variant;
    }
    platforms.push_back(std::move(entry));
  }
  const nlohmann::json workers = nlohmann::json::array(
      {{{"id", worker_.id}, {"labels", worker_.labels}, {"platforms", platforms}}});
  return workers.dump();
}

}  // namespace cairn::control

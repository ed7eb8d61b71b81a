// The services over a real server: calls block on threads of their own and end with their client.
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <thread>

#include "daemon/control/bridge_service.h"
#include "daemon/control/health_service.h"
#include "runtime/base/thread_pool.h"
#include "tests/unit/daemon/control/fake_bridge.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

class ServicesTest : public ::testing::Test {
 protected:
  ServicesTest() {
    worker_.id = "w";
    worker_.platforms = {Platform::Host()};
    grpc::ServerBuilder builder;
    builder.RegisterService(&bridge_service_);
    builder.RegisterService(&health_service_);
    server_ = builder.BuildAndStart();
    channel_ = server_->InProcessChannel({});
  }
  ~ServicesTest() override { server_->Shutdown(std::chrono::system_clock::now()); }

  FakeBridge bridge_;
  std::shared_ptr<GatewayBuild> build_ =
      std::make_shared<GatewayBuild>("b", bridge_, CancelToken());
  CancelSource draining_;
  WorkerInfo worker_;
  CallThreads threads_;
  BridgeService bridge_service_{
      threads_, worker_, [this](const CallInfo& call) -> StatusOr<std::shared_ptr<GatewayBuild>> {
        if (call.metadata.count("build") == 0) {
          return absl::NotFoundError("no such job");
        }
        return build_;
      }};
  HealthService health_service_{threads_, draining_.token()};
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(ServicesTest, CallsFindTheirBuildByMetadata) {
  auto stub = gateway::LLBBridge::NewStub(channel_);
  gateway::PongResponse pong;
  grpc::ClientContext without;
  EXPECT_EQ(stub->Ping(&without, gateway::PingRequest(), &pong).error_code(),
            grpc::StatusCode::NOT_FOUND);

  grpc::ClientContext with;
  with.AddMetadata("build", "b");
  ASSERT_TRUE(stub->Ping(&with, gateway::PingRequest(), &pong).ok());
  EXPECT_EQ(pong.workers(0).id(), "w");
}

TEST_F(ServicesTest, BlockedCallsEndWhenTheClientCancels) {
  bridge_.block = true;
  auto stub = gateway::LLBBridge::NewStub(channel_);
  grpc::ClientContext context;
  context.AddMetadata("build", "b");
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  gateway::SolveResponse response;

  EXPECT_FALSE(stub->Solve(&context, gateway::SolveRequest(), &response).ok());

  build_->Close();  // waits for the call; it would not end otherwise
}

TEST_F(ServicesTest, ManyBlockedCallsDoNotKeepOthersWaiting) {
  bridge_.block = true;
  auto stub = gateway::LLBBridge::NewStub(channel_);
  std::vector<std::thread> callers;
  std::atomic<int> cancelled{0};
  for (int i = 0; i < 40; ++i) {
    callers.push_back(StartThread("caller", [&stub, &cancelled] {
      grpc::ClientContext context;
      context.AddMetadata("build", "b");
      gateway::SolveResponse response;
      const auto status = stub->Solve(&context, gateway::SolveRequest(), &response);
      cancelled += status.error_code() == grpc::StatusCode::CANCELLED ? 1 : 0;
    }));
  }
  grpc::ClientContext context;
  context.AddMetadata("build", "b");
  gateway::PongResponse pong;
  EXPECT_TRUE(stub->Ping(&context, gateway::PingRequest(), &pong).ok());

  build_->Close();
  for (std::thread& caller : callers) {
    caller.join();
  }
  // Those that came after the end were told so.
  EXPECT_GT(cancelled, 0);
}

TEST_F(ServicesTest, HealthTellsOfDraining) {
  auto stub = grpc::health::v1::Health::NewStub(channel_);
  grpc::ClientContext watch;
  auto reader = stub->Watch(&watch, grpc::health::v1::HealthCheckRequest());
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);

  draining_.Cancel();

  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  watch.TryCancel();
  reader->Finish();
}

}  // namespace
}  // namespace cairn::control

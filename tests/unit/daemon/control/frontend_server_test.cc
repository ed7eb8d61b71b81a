#include "daemon/control/frontend_server.h"

#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>

#include <thread>

#include "proto/gateway.grpc.pb.h"
#include "tests/unit/daemon/control/fake_bridge.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

namespace rpc = moby::buildkit::v1::frontend;

using ::cairn::testing::IsOk;

// A server and, at the other end of its socket, what a frontend's program would have.
class FrontendServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int sockets[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    ours_.Reset(sockets[0]);
    ASSERT_EQ(fcntl(sockets[1], F_SETFL, O_NONBLOCK), 0);
    stub_ = rpc::LLBBridge::NewStub(grpc::CreateInsecureChannelFromFd("frontend", sockets[1]));
    worker_.platforms = {Platform::Host()};
  }

  CallThreads threads_;
  WorkerInfo worker_;
  FakeBridge bridge_;
  solver::FrontendRequest request_;
  FrontendServer server_{threads_, worker_, nullptr};
  UniqueFd ours_;
  std::unique_ptr<rpc::LLBBridge::Stub> stub_;
};

TEST_F(FrontendServerTest, GivesWhatTheFrontendReturns) {
  request_.inputs["base"].add_def("x");
  StatusOr<solver::FrontendResult> result = absl::UnknownError("");
  std::thread serving([&] { result = server_.Serve(bridge_, request_, std::move(ours_), {}); });
  rpc::InputsResponse inputs;
  {
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->Inputs(&context, {}, &inputs).ok());
  }
  EXPECT_EQ(inputs.definitions().count("base"), 1u);
  rpc::ReturnRequest wire;
  (*wire.mutable_result()->mutable_metadata())["k"] = "v";
  rpc::ReturnResponse done;
  grpc::ClientContext context;
  EXPECT_TRUE(stub_->Return(&context, wire, &done).ok());
  stub_.reset();
  serving.join();
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->metadata.at("k"), "v");
}

TEST_F(FrontendServerTest, EndsWithItsToken) {
  CancelSource cancel;
  cancel.Cancel();
  EXPECT_TRUE(absl::IsCancelled(
      server_.Serve(bridge_, request_, std::move(ours_), cancel.token()).status()));
}

}  // namespace
}  // namespace cairn::control

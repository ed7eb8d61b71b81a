// The tunnel end to end: a daemon with Control.Session, and a client that serves gRPC through it.
#include <fcntl.h>
#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "daemon/session/secrets.h"
#include "daemon/session/session_manager.h"
#include "proto/control.grpc.pb.h"
#include "proto/health.grpc.pb.h"
#include "proto/secrets.grpc.pb.h"
#include "runtime/base/fd.h"
#include "runtime/base/thread_pool.h"
#include "tests/unit/testing.h"

namespace cairn::session {
namespace {

using moby::buildkit::v1::BytesMessage;
using moby::buildkit::v1::Control;
using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::StatusIs;

class GrpcByteStream final : public DuplexStream {
 public:
  GrpcByteStream(grpc::ServerContext* context,
                 grpc::ServerReaderWriter<BytesMessage, BytesMessage>* stream)
      : context_(context), stream_(stream) {}
  Incoming Read(std::string* chunk) override {
    BytesMessage message;
    if (!stream_->Read(&message)) {
      return Incoming::kBroken;
    }
    *chunk = message.data();
    return Incoming::kData;
  }
  bool Write(string_view data) override {
    BytesMessage message;
    message.set_data(data.data(), data.size());
    return stream_->Write(message);
  }
  void EndWrites() override {}
  void Close() override { context_->TryCancel(); }

 private:
  grpc::ServerContext* const context_;
  grpc::ServerReaderWriter<BytesMessage, BytesMessage>* const stream_;
};

class SessionControl final : public Control::Service {
 public:
  explicit SessionControl(SessionManager& manager) : manager_(manager) {}
  grpc::Status Session(grpc::ServerContext* context,
                       grpc::ServerReaderWriter<BytesMessage, BytesMessage>* stream) override {
    SessionInfo info;
    info.id = "tunnelled";
    GrpcByteStream bytes(context, stream);
    const auto status = manager_.Serve(info, bytes, cancel.token());
    return status.ok() ? grpc::Status::OK : grpc::Status(grpc::StatusCode::INTERNAL, "serve");
  }
  CancelSource cancel;

 private:
  SessionManager& manager_;
};

class EchoSecrets final : public moby::buildkit::secrets::v1::Secrets::Service {
  grpc::Status GetSecret(grpc::ServerContext*,
                         const moby::buildkit::secrets::v1::GetSecretRequest* request,
                         moby::buildkit::secrets::v1::GetSecretResponse* response) override {
    response->set_data(std::string(400 << 10, request->id()[0]));
    return grpc::Status::OK;
  }
};

class Healthy final : public grpc::health::v1::Health::Service {
 public:
  std::atomic<int> checks{0};
  std::atomic<bool> well{true};

 private:
  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest*,
                     grpc::health::v1::HealthCheckResponse*) override {
    ++checks;
    return well ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAVAILABLE, "ill");
  }
};

// The client: opens Control.Session and bridges its bytes to a gRPC server of its own.
class TunnelClient {
 public:
  TunnelClient(grpc::Server& daemon, const std::vector<grpc::Service*>& services) {
    grpc::ServerBuilder builder;
    for (grpc::Service* service : services) {
      builder.RegisterService(service);
    }
    server_ = builder.BuildAndStart();
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    EXPECT_EQ(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    grpc::AddInsecureChannelFromFd(server_.get(), fds[0]);
    fd_ = UniqueFd(fds[1]);
    stub_ = Control::NewStub(daemon.InProcessChannel({}));
    stream_ = stub_->Session(&context_);
    out_ = StartThread("client-out", [this] {
      char buffer[4096];
      BytesMessage message;
      ssize_t got = 0;
      while ((got = read(fd_.get(), buffer, sizeof buffer)) > 0) {
        message.set_data(buffer, static_cast<size_t>(got));
        if (!stream_->Write(message)) {
          return;
        }
      }
    });
    in_ = StartThread("client-in", [this] {
      BytesMessage message;
      while (stream_->Read(&message)) {
        if (!WriteAll(fd_.get(), message.data()).ok()) {
          return;
        }
      }
      shutdown(fd_.get(), SHUT_RDWR);
    });
  }
  ~TunnelClient() { Leave(); }

  // Half-closes the call and returns what the daemon made of it.
  grpc::Status Leave() {
    if (!out_.joinable()) {
      return grpc::Status::OK;
    }
    shutdown(fd_.get(), SHUT_RDWR);
    out_.join();
    stream_->WritesDone();
    in_.join();
    const grpc::Status status = stream_->Finish();
    server_->Shutdown(std::chrono::system_clock::now());
    return status;
  }

 private:
  std::unique_ptr<grpc::Server> server_;
  UniqueFd fd_;
  grpc::ClientContext context_;
  std::unique_ptr<Control::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<BytesMessage, BytesMessage>> stream_;
  std::thread out_;
  std::thread in_;
};

class TunnelTest : public ::testing::Test {
 protected:
  // Keeps the library up for the whole program: taking it down waits out pollers of ended sockets.
  static void SetUpTestSuite() { grpc_init(); }

  TunnelTest() {
    signal(SIGPIPE, SIG_IGN);
    grpc::ServerBuilder builder;
    builder.RegisterService(&control_);
    daemon_ = builder.BuildAndStart();
  }
  ~TunnelTest() override { daemon_->Shutdown(std::chrono::system_clock::now()); }

  Logger log_{LogLevel::kError, LogFormat::kText};
  SessionManager manager_{log_, HealthPolicy{absl::Milliseconds(5), absl::Seconds(5), 2}};
  SessionControl control_{manager_};
  std::unique_ptr<grpc::Server> daemon_;
  EchoSecrets secrets_;
  Healthy health_;
};

TEST_F(TunnelTest, CallsReachTheClientAndItsLeavingEndsTheSession) {
  TunnelClient client(*daemon_, {&secrets_, &health_});
  ASSERT_OK_AND_ASSIGN(auto session, manager_.Get("tunnelled", {}));

  EXPECT_THAT(GetSecret(*session, "a", {}), IsOkAndHolds(std::string(400 << 10, 'a')));
  EXPECT_TRUE(client.Leave().ok());

  EXPECT_TRUE(session->closed().cancelled());
  EXPECT_EQ(manager_.open_sessions(), 0);
  EXPECT_THAT(GetSecret(*session, "a", {}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("session tunnelled ended")));
}

TEST_F(TunnelTest, ManyThreadsUseOneSession) {
  TunnelClient client(*daemon_, {&secrets_, &health_});
  ASSERT_OK_AND_ASSIGN(auto session, manager_.Get("tunnelled", {}));
  std::vector<std::thread> threads;
  std::atomic<int> good{0};

  for (int i = 0; i < 8; ++i) {
    threads.push_back(StartThread("caller", [&session, &good, i] {
      const std::string id(1, static_cast<char>('a' + i));
      for (int n = 0; n < 10; ++n) {
        const auto secret = GetSecret(*session, id, {});
        good += secret.ok() && (*secret)[0] == id[0] ? 1 : 0;
      }
    }));
  }
  for (std::thread& thread : threads) {
    thread.join();
  }

  EXPECT_EQ(good, 80);
}

TEST_F(TunnelTest, FailedHealthChecksCloseTheSession) {
  health_.well = false;
  TunnelClient client(*daemon_, {&health_});
  ASSERT_OK_AND_ASSIGN(auto session, manager_.Get("tunnelled", {}));

  EXPECT_TRUE(session->closed().WaitFor(absl::Seconds(20)));
  EXPECT_THAT(std::string(session->closed().Check().message()), HasSubstr("health"));
  EXPECT_GE(health_.checks, 2);
}

TEST_F(TunnelTest, SessionStaysWhileTheClientIsWell) {
  TunnelClient client(*daemon_, {&health_});
  ASSERT_OK_AND_ASSIGN(auto session, manager_.Get("tunnelled", {}));

  // Waits for checks to have happened, not for time to pass.
  while (health_.checks < 5) {
    ASSERT_FALSE(session->closed().WaitFor(absl::Milliseconds(1)));
  }
  EXPECT_FALSE(session->closed().cancelled());
}

TEST_F(TunnelTest, ShutdownEndsTheSession) {
  TunnelClient client(*daemon_, {&secrets_});
  ASSERT_OK_AND_ASSIGN(auto session, manager_.Get("tunnelled", {}));

  control_.cancel.Cancel("shutting down");

  EXPECT_TRUE(session->closed().WaitFor(absl::Seconds(20)));
  client.Leave();
}

}  // namespace
}  // namespace cairn::session

#include "client/session.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "client/context_sync.h"
#include "client/file_send.h"
#include "client/file_sync.h"
#include "client/image_layout.h"
#include "client/message_stream.h"
#include "client/session_services.h"
#include "proto/control.grpc.pb.h"
#include "runtime/base/byte_tunnel.h"
#include "runtime/base/random_id.h"
#include "runtime/base/thread_pool.h"

namespace cairn::client {
namespace {

using moby::buildkit::v1::BytesMessage;
using SessionCall = grpc::ClientReaderWriter<BytesMessage, BytesMessage>;
using SessionBytes = MessageStream<BytesMessage, SessionCall>;

constexpr int kSocketBytes = 1 << 20;

// The methods a session offers are announced in the call's metadata.
std::vector<std::string> MethodsOf(const SessionOptions& options) {
  std::vector<std::string> methods = {"/grpc.health.v1.Health/Check",
                                      "/moby.filesync.v1.Auth/Credentials"};
  if (!options.directories.empty()) {
    methods.push_back("/moby.filesync.v1.FileSync/DiffCopy");
    methods.push_back("/cairn.v1.ContextSync/Sync");
  }
  if (!options.exports.empty()) {
    methods.push_back("/moby.filesync.v1.FileSend/DiffCopy");
  }
  if (!options.secrets.empty()) {
    methods.push_back("/moby.buildkit.secrets.v1.Secrets/GetSecret");
  }
  if (!options.ssh_agents.empty()) {
    methods.push_back("/moby.sshforward.v1.SSH/CheckAgent");
    methods.push_back("/moby.sshforward.v1.SSH/ForwardAgent");
  }
  if (!options.layouts.empty()) {
    for (const char* method : {"Info", "Read", "Write"}) {
      methods.push_back(absl::StrCat("/containerd.services.content.v1.Content/", method));
    }
  }
  if (!options.uploads.empty()) {
    methods.push_back("/moby.upload.v1.Upload/Pull");
  }
  return methods;
}

class TunnelledSession final : public Session {
 public:
  explicit TunnelledSession(const std::string& id) : id_(id.empty() ? RandomId() : id) {}

  ~TunnelledSession() override { Finish(); }

  Status Open(Connection& connection, SessionOptions options) {
    services_ = MakeSessionServices(options);
    if (!options.directories.empty()) {
      services_.push_back(MakeFileSyncService(options.directories));
      services_.push_back(MakeContextSyncService(options.directories));
    }
    if (!options.exports.empty()) {
      services_.push_back(MakeFileSendService(options.exports));
    }
    if (!options.layouts.empty()) {
      services_.push_back(MakeContentService(options.layouts));
    }
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(16 << 20);
    for (const auto& service : services_) {
      builder.RegisterService(service.get());
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      return absl::InternalError("start the session's server");
    }
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      return ErrnoStatus(errno, "socketpair");
    }
    UniqueFd ours(ends[0]);
    for (const int end : ends) {
      ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kSocketBytes, sizeof kSocketBytes);
    }
    ::fcntl(ends[1], F_SETFL, O_NONBLOCK);  // gRPC owns this end and wants it so

    context_.AddMetadata("x-docker-expose-session-uuid", id_);
    context_.AddMetadata("x-docker-expose-session-name", "");
    context_.AddMetadata("x-docker-expose-session-sharedkey", options.shared_key);
    for (const std::string& method : MethodsOf(options)) {
      context_.AddMetadata("x-docker-expose-session-grpc-method", method);
    }
    stub_ = moby::buildkit::v1::Control::NewStub(connection.channel());
    stream_ = stub_->Session(&context_);
    grpc::AddInsecureChannelFromFd(server_.get(), ends[1]);
    bytes_ = std::make_unique<SessionBytes>(
        *stream_, [this] { stream_->WritesDone(); }, [this] { context_.TryCancel(); });
    socket_ = std::move(ours);
    carrier_ = StartThread("session", [this] { CarryBytes(socket_.get(), *bytes_); });
    return absl::OkStatus();
  }

  const std::string& id() const override { return id_; }

  void Finish() override {
    if (!carrier_.joinable()) {
      return;
    }
    context_.TryCancel();
    ::shutdown(socket_.get(), SHUT_RDWR);
    carrier_.join();
    stream_->Finish();
    server_->Shutdown(std::chrono::system_clock::now());
  }

 private:
  const std::string id_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  grpc::ClientContext context_;
  std::unique_ptr<moby::buildkit::v1::Control::Stub> stub_;
  std::unique_ptr<SessionCall> stream_;
  std::unique_ptr<SessionBytes> bytes_;
  UniqueFd socket_;
  std::thread carrier_;
};

}  // namespace

StatusOr<std::unique_ptr<Session>> Session::Start(Connection& connection, SessionOptions options) {
  auto session = std::make_unique<TunnelledSession>(options.id);
  RETURN_IF_ERROR(session->Open(connection, std::move(options)));
  return session;
}

}  // namespace cairn::client

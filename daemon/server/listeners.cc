#include "daemon/server/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/thread_pool.h"

namespace cairn::server {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;
// The Session call carries a header for each method that the client serves.
constexpr int kMaxMetadataBytes = 4 << 20;
// What comes in large comes from one client at a time: contexts, through the Session call.
constexpr int kFrameBytes = 1 << 20;
constexpr int kLookaheadBytes = 4 << 20;
constexpr int kFirstActivatedFd = 3;  // sd_listen_fds(3)
constexpr mode_t kSocketMode = 0660;

StatusOr<std::shared_ptr<grpc::ServerCredentials>> TlsCredentials(const TlsConfig& tls) {
  if (tls.certificate.empty() || tls.key.empty()) {
    return absl::InvalidArgumentError("TLS needs both a certificate and a key");
  }
  grpc::SslServerCredentialsOptions options(
      tls.client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                            : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  ASSIGN_OR_RETURN(pair.private_key, ReadFile(tls.key));
  ASSIGN_OR_RETURN(pair.cert_chain, ReadFile(tls.certificate));
  options.pem_key_cert_pairs.push_back(pair);
  if (!tls.client_ca.empty()) {
    ASSIGN_OR_RETURN(options.pem_root_certs, ReadFile(tls.client_ca));
  }
  return grpc::SslServerCredentials(options);
}

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  // Go clients answer data with pings; none of them is abuse.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kFrameBytes);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
}

// How many sockets systemd handed over to this process; 0 when it was not started so.
int ActivatedSockets() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  int value = 0;
  if (pid == nullptr || count == nullptr || !absl::SimpleAtoi(pid, &value) || value != getpid() ||
      !absl::SimpleAtoi(count, &value)) {
    return 0;
  }
  return value;
}

}  // namespace

Listeners::Listeners(const Config& config, Logger& log)
    : config_(config), log_(log), stop_(eventfd(0, EFD_CLOEXEC)) {}

StatusOr<std::unique_ptr<Listeners>> Listeners::Open(const Config& config,
                                                     const std::vector<grpc::Service*>& services,
                                                     Logger& log) {
  std::unique_ptr<Listeners> listeners(new Listeners(config, log));
  grpc::ServerBuilder builder;
  SetLimits(builder);
  for (const std::string& address : config.addresses) {
    RETURN_IF_ERROR_IN(listeners->AddAddress(address, builder),
                       absl::StrCat("listen on ", address));
  }
  for (grpc::Service* service : services) {
    builder.RegisterService(service);
  }
  listeners->server_ = builder.BuildAndStart();
  if (listeners->server_ == nullptr) {
    return absl::UnavailableError(
        "cannot listen: one of the addresses is in use or not of this machine");
  }
  RETURN_IF_ERROR(listeners->SetSocketOwners());
  for (const auto& port : listeners->ports_) {
    listeners->addresses_.push_back(absl::StrCat("tcp://", port->host, ":", port->port));
  }
  for (const UniqueFd& fd : listeners->activated_) {
    const int listener = fd.get();
    Listeners* self = listeners.get();
    listeners->acceptors_.push_back(
        StartThread("accept", [self, listener] { self->AcceptActivated(listener); }));
  }
  return listeners;
}

Listeners::~Listeners() { Shutdown(absl::ZeroDuration()); }

void Listeners::Shutdown(absl::Duration grace) {
  const uint64_t one = 1;
  while (write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
  for (std::thread& acceptor : acceptors_) {
    acceptor.join();
  }
  acceptors_.clear();
  if (server_ != nullptr) {
    server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
    server_->Wait();
    server_.reset();
  }
}

Status Listeners::AddAddress(const std::string& address, grpc::ServerBuilder& builder) {
  string_view rest = address;
  if (absl::ConsumePrefix(&rest, "unix://")) {
    const std::filesystem::path path{std::string(rest)};
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) {
      return ErrnoStatus(error.value(), absl::StrCat("make ", path.parent_path().string()));
    }
    builder.AddListeningPort(absl::StrCat("unix:", rest), grpc::InsecureServerCredentials());
    socket_paths_.push_back(path.string());
    addresses_.push_back(address);
    return absl::OkStatus();
  }
  if (absl::StartsWith(address, "tcp://")) {
    return AddTcp(address, builder);
  }
  if (absl::StartsWith(address, "fd://")) {
    addresses_.push_back(address);
    return TakeActivatedSockets();
  }
  return absl::InvalidArgumentError("the address must start with unix://, tcp:// or fd://");
}

Status Listeners::AddTcp(const std::string& address, grpc::ServerBuilder& builder) {
  const string_view host_port = absl::StripPrefix(address, "tcp://");
  const size_t colon = host_port.rfind(':');
  if (colon == string_view::npos) {
    return absl::InvalidArgumentError("write tcp://HOST:PORT");
  }
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (config_.tls.enabled()) {
    ASSIGN_OR_RETURN(credentials, TlsCredentials(config_.tls));
  } else {
    log_.Warn("TCP without TLS: whoever reaches this port can run code here",
              {{"address", address}});
  }
  ports_.push_back(std::make_unique<TcpPort>());
  ports_.back()->host = std::string(host_port.substr(0, colon));
  builder.AddListeningPort(std::string(host_port), credentials, &ports_.back()->port);
  return absl::OkStatus();
}

Status Listeners::TakeActivatedSockets() {
  const int count = ActivatedSockets();
  if (count == 0) {
    return absl::FailedPreconditionError("systemd passed no sockets to this process");
  }
  for (int fd = kFirstActivatedFd; fd < kFirstActivatedFd + count; ++fd) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return ErrnoStatus(errno, absl::StrCat("take the socket ", fd, " from systemd"));
    }
    activated_.emplace_back(fd);
  }
  // A child must not take them for its own.
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  return absl::OkStatus();
}

Status Listeners::SetSocketOwners() const {
  for (const std::string& path : socket_paths_) {
    if (chmod(path.c_str(), kSocketMode) != 0) {
      return ErrnoStatus(errno, absl::StrCat("set the mode of ", path));
    }
    const bool owned = config_.uid >= 0 || config_.gid >= 0;
    if (owned && chown(path.c_str(), static_cast<uid_t>(config_.uid),
                       static_cast<gid_t>(config_.gid)) != 0) {
      return ErrnoStatus(errno, absl::StrCat("set the owner of ", path));
    }
  }
  return absl::OkStatus();
}

void Listeners::AcceptActivated(int listener) {
  while (true) {
    pollfd fds[2] = {{stop_.get(), POLLIN, 0}, {listener, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) {
      return;
    }
    if (fds[0].revents != 0) {
      return;
    }
    if (fds[1].revents == 0) {
      continue;
    }
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      grpc::AddInsecureChannelFromFd(server_.get(), fd);  // which owns it now
    }
  }
}

}  // namespace cairn::server

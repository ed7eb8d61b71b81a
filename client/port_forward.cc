#include "client/port_forward.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/cairn.grpc.pb.h"
#include "runtime/base/byte_tunnel.h"
#include "runtime/base/thread_pool.h"

namespace cairn::client {
namespace {

using cairn::v1::ConnectRequest;
using cairn::v1::ConnectResponse;
using ConnectCall = grpc::ClientReaderWriter<ConnectRequest, ConnectResponse>;

constexpr size_t kMaxConnections = 1024;
constexpr int kAcceptPauseMs = 100;

// A Connect call once the daemon has opened the connection.
class ConnectStream final : public DuplexStream {
 public:
  ConnectStream(grpc::ClientContext& context, ConnectCall& call) : context_(context), call_(call) {}

  Incoming Read(std::string* chunk) override {
    if (!call_.Read(&incoming_)) {
      return Incoming::kBroken;
    }
    if (incoming_.has_end()) {
      return Incoming::kEnd;
    }
    *chunk = std::move(*incoming_.mutable_data());
    return Incoming::kData;
  }
  bool Write(string_view data) override {
    outgoing_.set_data(data.data(), data.size());
    return call_.Write(outgoing_);
  }
  void EndWrites() override { call_.WritesDone(); }
  void Close() override { context_.TryCancel(); }

 private:
  grpc::ClientContext& context_;
  ConnectCall& call_;
  ConnectRequest outgoing_;
  ConnectResponse incoming_;
};

}  // namespace

// One accepted connection.
class PortForward::Carrier {
 public:
  Carrier(PortForward& owner, UniqueFd socket, uint16_t container_port)
      : owner_(owner), socket_(std::move(socket)), container_port_(container_port) {
    owner_.build_->Prepare(context_);
    thread_ = StartThread("port", [this] {
      Run();
      {
        MutexLock lock(mu_);
        socket_.Reset();
      }
      MutexLock lock(owner_.mu_);
      ended_.store(true);
      --owner_.running_;
      owner_.changed_.NotifyAll();
    });
  }

  ~Carrier() {
    context_.TryCancel();
    {
      MutexLock lock(mu_);
      if (socket_.valid()) {
        ::shutdown(socket_.get(), SHUT_RDWR);
      }
    }
    thread_.join();
  }

  bool ended() const { return ended_.load(); }

 private:
  void Run() {
    const auto stub = cairn::v1::Containers::NewStub(owner_.build_->connection().channel());
    const auto call = stub->Connect(&context_);
    ConnectRequest open;
    open.mutable_open()->set_container_id(owner_.container_id_);
    open.mutable_open()->set_port(container_port_);
    const int fd = socket_.get();  // only this thread closes it
    ConnectResponse opened;
    if (!call->Write(open) || !call->Read(&opened)) {
      const grpc::Status status = call->Finish();
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
        std::fprintf(stderr, "WARNING: the daemon cannot publish ports: it does not serve %s\n",
                     cairn::v1::Containers::service_full_name());
      }
      // Whoever connected gets a reset, as from a port that nothing listens on.
      const linger hard = {.l_onoff = 1, .l_linger = 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      return;
    }
    ConnectStream stream(context_, *call);
    CarryBytes(fd, stream);
    call->Finish();
  }

  PortForward& owner_;
  Mutex mu_;
  UniqueFd socket_;  // closed under mu_
  const uint16_t container_port_;
  grpc::ClientContext context_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

StatusOr<std::unique_ptr<PortForward>> PortForward::Listen(std::vector<PublishedPort> ports) {
  std::vector<UniqueFd> listeners;
  for (PublishedPort& port : ports) {
    ASSIGN_OR_RETURN(UniqueFd listener, client::Listen(port));
    listeners.push_back(std::move(listener));
  }
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake.valid()) {
    return ErrnoStatus(errno, "eventfd");
  }
  return std::unique_ptr<PortForward>(
      new PortForward(std::move(ports), std::move(listeners), std::move(wake)));
}

PortForward::PortForward(std::vector<PublishedPort> ports, std::vector<UniqueFd> listeners,
                         UniqueFd wake)
    : ports_(std::move(ports)), listeners_(std::move(listeners)), wake_(std::move(wake)) {}

PortForward::~PortForward() { StopAccepting(); }

void PortForward::Start(GatewayBuild& build, const std::string& container_id) {
  build_ = &build;
  container_id_ = container_id;
  acceptor_ = StartThread("ports", [this] { Accept(); });
}

void PortForward::StopAccepting() {
  if (acceptor_.joinable()) {
    const uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    acceptor_.join();
  }
  listeners_.clear();
}

void PortForward::Drain(absl::Duration grace) {
  StopAccepting();
  const absl::Time deadline = absl::Now() + grace;
  {
    MutexLock lock(mu_);
    while (running_ > 0 && absl::Now() < deadline) {
      changed_.WaitFor(mu_, deadline - absl::Now());
    }
  }
  carriers_.clear();
}

void PortForward::RemoveEnded() {
  carriers_.remove_if([](const std::unique_ptr<Carrier>& carrier) { return carrier->ended(); });
}

void PortForward::Accept() {
  std::vector<pollfd> polls = {{wake_.get(), POLLIN, 0}};
  for (const UniqueFd& listener : listeners_) {
    polls.push_back({listener.get(), POLLIN, 0});
  }
  for (;;) {
    if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) {
      return;
    }
    if (polls[0].revents != 0) {
      return;
    }
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if ((polls[i + 1].revents & POLLIN) == 0) {
        continue;
      }
      UniqueFd socket(::accept4(listeners_[i].get(), nullptr, nullptr, SOCK_CLOEXEC));
      RemoveEnded();
      if (!socket.valid()) {
        // Out of descriptors, perhaps: what is connected may end meanwhile.
        ::poll(polls.data(), 1, kAcceptPauseMs);
        continue;
      }
      if (carriers_.size() >= kMaxConnections) {
        continue;
      }
      const int on = 1;
      ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      {
        MutexLock lock(mu_);
        ++running_;
      }
      carriers_.push_back(
          std::make_unique<Carrier>(*this, std::move(socket), ports_[i].container_port));
    }
  }
}

}  // namespace cairn::client

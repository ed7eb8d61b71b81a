#include "client/port_forward.h"

#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <list>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/byte_tunnel.h"
#include "proto/cairn.grpc.pb.h"
#include "runtime/base/fd.h"
#include "runtime/base/thread_pool.h"

namespace cairn::client {
namespace {

struct PublishedPort {
  in_addr address{};
  uint16_t port = 0;
  uint32_t container_port = 0;
};

StatusOr<PublishedPort> ParsePort(const std::string& text) {
  std::vector<std::string> parts = absl::StrSplit(text, ':');
  PublishedPort published;
  if (parts.size() == 2) {
    parts.insert(parts.begin(), "0.0.0.0");
  }
  uint32_t port = 0;
  if (parts.size() != 3 || ::inet_pton(AF_INET, parts[0].c_str(), &published.address) != 1 ||
      !absl::SimpleAtoi(parts[1], &port) || port > 65535 ||
      !absl::SimpleAtoi(parts[2], &published.container_port) || published.container_port == 0 ||
      published.container_port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("port \"", text, "\": want [address:]port:container-port"));
  }
  published.port = static_cast<uint16_t>(port);
  return published;
}

class ListeningForward final : public PortForward {
 public:
  ListeningForward(Connection& connection, UniqueFd listener, cairn::v1::ForwardMessage open)
      : stub_(cairn::v1::Containers::NewStub(connection.channel())),
        listener_(std::move(listener)),
        open_(std::move(open)) {
    thread_ = StartThread("port-forward", [this] { Accept(); });
  }

  ~ListeningForward() override {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    for (const auto& link : links_) {
      link->context.TryCancel();
    }
    links_.clear();
  }

 private:
  // One forwarded connection. The tunnel's threads end before the stream goes.
  struct Link {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<cairn::v1::ForwardMessage, cairn::v1::ForwardMessage>>
        stream;
    std::unique_ptr<ByteTunnel> tunnel;
  };

  void Accept() {
    for (;;) {
      UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!socket.valid()) {
        return;
      }
      auto link = std::make_unique<Link>();
      link->stream = stub_->Forward(&link->context);
      if (!link->stream->Write(open_)) {
        continue;
      }
      auto* stream = link->stream.get();
      link->tunnel = std::make_unique<ByteTunnel>(
          std::move(socket), ByteTunnel::Stream{.read =
                                                    [stream](std::string& data) {
                                                      cairn::v1::ForwardMessage message;
                                                      if (!stream->Read(&message)) {
                                                        return false;
                                                      }
                                                      data = std::move(*message.mutable_data());
                                                      return true;
                                                    },
                                                .write =
                                                    [stream](string_view data) {
                                                      cairn::v1::ForwardMessage message;
                                                      message.set_data(data.data(), data.size());
                                                      return stream->Write(message);
                                                    },
                                                .close_write = [stream] { stream->WritesDone(); }});
      links_.push_back(std::move(link));
    }
  }

  const std::unique_ptr<cairn::v1::Containers::Stub> stub_;
  const UniqueFd listener_;
  const cairn::v1::ForwardMessage open_;
  std::list<std::unique_ptr<Link>> links_;  // of the accepting thread until it is joined
  std::thread thread_;
};

}  // namespace

StatusOr<std::unique_ptr<PortForward>> PortForward::Listen(Connection& connection,
                                                           const std::string& port,
                                                           const std::string& build_id,
                                                           const std::string& container_id) {
  ASSIGN_OR_RETURN(const PublishedPort published, ParsePort(port));
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr = published.address;
  address.sin_port = htons(published.port);
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), 128) != 0) {
    return absl::UnavailableError(
        absl::StrCat("publish ", port, ": ", ErrnoStatus(errno, "listen").message()));
  }
  cairn::v1::ForwardMessage open;
  open.mutable_open()->set_build_id(build_id);
  open.mutable_open()->set_container_id(container_id);
  open.mutable_open()->set_port(published.container_port);
  return std::unique_ptr<PortForward>(
      new ListeningForward(connection, std::move(listener), std::move(open)));
}

}  // namespace cairn::client

// A connection to a daemon: where it is, how to trust it, and the gRPC channel.
//
// Immutable after Open and WaitReady; then thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace cairn::client {

struct ConnectionOptions {
  // "unix:///run/cairn/cairnd.sock" or "tcp://host:port". Empty: CAIRN_HOST, BUILDKIT_HOST, then
  // the default socket.
  std::string address;
  // PEM files; a CA or a key pair switches TLS on for tcp.
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string server_name;
};

class Connection {
 public:
  // kInvalidArgument for an address that cannot be understood; does not connect yet.
  static StatusOr<std::unique_ptr<Connection>> Open(const ConnectionOptions& options);

  // Waits until the daemon answers. kUnavailable names the address, the reason and the way out.
  Status WaitReady(absl::Duration timeout, const CancelToken& cancel);

  const std::string& address() const { return address_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  Connection(std::string address, ConnectionOptions options,
             std::shared_ptr<grpc::Channel> channel);

  const std::string address_;
  const ConnectionOptions options_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace cairn::client

// Where the daemon listens: unix sockets, TCP (with TLS where configured) and sockets that systemd
// opened.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/server/config.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace grpc {
class Server;
class ServerBuilder;
class Service;
}  // namespace grpc

namespace cairn::server {

// The gRPC server and its sockets. Used by one thread.
class Listeners {
 public:
  // Listens on every address of `config` and serves `services`, which outlive the object. An
  // address that cannot be used is an error that names it and says why.
  static StatusOr<std::unique_ptr<Listeners>> Open(const Config& config,
                                                   const std::vector<grpc::Service*>& services,
                                                   Logger& log);
  ~Listeners();
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  // Where it really listens: "tcp://127.0.0.1:34567" for a port 0.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Takes no new connections or calls, gives running calls `grace` to end, then cancels them.
  void Shutdown(absl::Duration grace);

 private:
  struct TcpPort {
    std::string host;
    int port = 0;
  };
  Listeners(const Config& config, Logger& log);
  Status AddAddress(const std::string& address, grpc::ServerBuilder& builder);
  Status AddTcp(const std::string& address, grpc::ServerBuilder& builder);
  Status TakeActivatedSockets();
  Status SetSocketOwners() const;
  void AcceptActivated(int listener);

  const Config& config_;
  Logger& log_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::string> addresses_;
  std::vector<std::string> socket_paths_;
  std::vector<std::unique_ptr<TcpPort>> ports_;  // the builder writes the numbers
  std::vector<UniqueFd> activated_;              // listening sockets from systemd
  UniqueFd stop_;                                // an eventfd
  std::vector<std::thread> acceptors_;
};

}  // namespace cairn::server

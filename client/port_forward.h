// Carries connections to ports of this machine to ports inside a container, through the daemon.
//
// Thread-safe. One thread accepts; each connection takes two more.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "client/gateway_build.h"
#include "client/published_port.h"
#include "runtime/base/fd.h"
#include "runtime/base/sync.h"

namespace cairn::client {

class PortForward {
 public:
  // Listens on all of them; nothing is accepted yet. kFailedPrecondition: a port is in use.
  static StatusOr<std::unique_ptr<PortForward>> Listen(std::vector<PublishedPort> ports);
  // Closes the ports and breaks off what is still connected.
  ~PortForward();
  PortForward(const PortForward&) = delete;
  PortForward& operator=(const PortForward&) = delete;

  // With the port numbers that were found.
  const std::vector<PublishedPort>& ports() const { return ports_; }

  // Accepts from now on. `build` outlives this and holds the container.
  void Start(GatewayBuild& build, const std::string& container_id);

  // Closes the ports and lets the connections end by themselves for at most `grace`.
  void Drain(absl::Duration grace);

 private:
  class Carrier;

  PortForward(std::vector<PublishedPort> ports, std::vector<UniqueFd> listeners, UniqueFd wake);
  void Accept();
  void StopAccepting();
  void RemoveEnded();

  std::vector<PublishedPort> ports_;
  std::vector<UniqueFd> listeners_;
  const UniqueFd wake_;
  GatewayBuild* build_ = nullptr;
  std::string container_id_;
  std::thread acceptor_;

  Mutex mu_;
  CondVar changed_;
  size_t running_ ABSL_GUARDED_BY(mu_) = 0;
  // Only touched by the acceptor while it runs.
  std::list<std::unique_ptr<Carrier>> carriers_;
};

}  // namespace cairn::client

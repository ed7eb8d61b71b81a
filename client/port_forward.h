// Published ports: listens here and carries each connection to a port inside a running container,
// through the daemon (cairn.v1.Containers.Forward), whatever network the container has.
//
// The destructor closes the listener and every connection, and joins their threads.
#pragma once

#include <memory>
#include <string>

#include "client/connection.h"
#include "runtime/base/status.h"

namespace cairn::client {

class PortForward {
 public:
  // `port` is "[address:]port:container port"; kInvalidArgument when it is not, kUnavailable when
  // the local port cannot be had. `connection` outlives it.
  static StatusOr<std::unique_ptr<PortForward>> Listen(Connection& connection,
                                                       const std::string& port,
                                                       const std::string& build_id,
                                                       const std::string& container_id);
  virtual ~PortForward() = default;
};

}  // namespace cairn::client

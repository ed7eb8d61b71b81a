// A port of the container that is offered on this machine: what -p says.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::client {

struct PublishedPort {
  std::string address;  // of this machine; empty: every one
  uint16_t port = 0;    // 0: any that is free
  uint16_t container_port = 0;

  // "0.0.0.0:8080->80/tcp", as docker ps shows it.
  std::string ToString() const;
};

// "[[ADDRESS:]PORT:]CONTAINERPORT[/tcp]"; an IPv6 address is in brackets. kInvalidArgument says
// what is wrong and what would be right.
StatusOr<PublishedPort> ParsePublishedPort(const std::string& text);

// Listens there; a port 0 becomes the one that was found. kFailedPrecondition: the port is in use.
StatusOr<UniqueFd> Listen(PublishedPort& published);

}  // namespace cairn::client

// Runs an image's command in a gateway container of the daemon and connects it to this process:
// stdin, stdout, stderr, terminal size, signals, published ports.
//
// Blocks until the command ends; thread-safe in that several may run on one Connection.
#pragma once

#include <string>
#include <vector>

#include "client/connection.h"
#include "runtime/base/cancel.h"

namespace cairn::client {

struct RunRequest {
  std::string image;
  std::vector<std::string> command;      // instead of the image's
  std::string entrypoint;                // instead of the image's, which also drops its command
  std::vector<std::string> environment;  // "K=V", or "K" for this process's value
  std::vector<std::string> ports;        // "[address:]port:container port"
  std::string user;
  std::string directory;
  std::string network;  // "", "default", "none", "host"
  bool interactive = false;
  bool terminal = false;
  bool remove = false;  // containers always are
};

// Returns the command's exit code. When `cancel` fires the container is killed.
StatusOr<int> RunContainer(Connection& connection, const RunRequest& request,
                           const CancelToken& cancel);

}  // namespace cairn::client

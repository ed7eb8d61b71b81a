// Runs an image's command in a gateway container of the daemon and connects it to this process:
// stdin, stdout, stderr, terminal size, signals, published ports.
//
// Blocks until the command ends; thread-safe in that several may run on one Connection.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "client/published_port.h"
#include "runtime/base/cancel.h"

namespace cairn::client {

struct RunRequest {
  std::string image;
  std::vector<std::string> command;      // instead of the image's
  std::string entrypoint;                // instead of the image's, which also drops its command
  std::vector<std::string> environment;  // "K=V", or "K" for this process's value
  std::vector<std::string> ports;        // as ParsePublishedPort takes them
  std::string user;
  std::string directory;
  std::string network;  // "", "default", "none", "host"
  bool interactive = false;
  bool terminal = false;
};

// How the command is connected to the world.
struct RunLinks {
  // What it writes to 1 and 2.
  std::function<void(int stream, string_view data)> output;
  // It runs, with these arguments, and these ports are open.
  std::function<void(const std::vector<std::string>& arguments,
                     const std::vector<PublishedPort>& ports)>
      started;
  // The signal that the command gets when the run is cancelled: "TERM".
  std::function<std::string()> stop_signal;
  // Stdin and the terminal are this process's; else a terminal has no size and stdin stays empty.
  bool attached = true;
};

// Returns the command's exit code. When `cancel` fires the command is asked to end, and killed ten
// seconds later. With published ports and no network asked for, a daemon whose containers share its
// own network gives the container one of its own with nothing but loopback, so that its ports
// clash with nobody's.
StatusOr<int> RunContainer(Connection& connection, const RunRequest& request, const RunLinks& links,
                           const CancelToken& cancel);

}  // namespace cairn::client

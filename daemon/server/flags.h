// The command line of cairnd: buildkitd's flags, so that scripts and unit files keep working.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/server/config.h"
#include "runtime/base/status.h"

namespace cairn::server {

// What to do after reading the command line.
struct StartRequest {
  Config config;
  // Keys of the configuration file that nobody knows.
  std::vector<std::string> unknown_keys;
  // Set when the program has only to print something (--help, --version) and exit.
  std::optional<std::string> print;
};

// Reads the flags and the configuration file that they name (/etc/cairn/cairnd.toml where it exists
// and none is named). Flags come before the file. kInvalidArgument says what is wrong.
StatusOr<StartRequest> ReadCommandLine(int argc, const char* const* argv);

}  // namespace cairn::server

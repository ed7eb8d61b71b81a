// What a frontend's image says about how to run it: its OCI config, read.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::gateway {

struct FrontendImage {
  std::vector<std::string> entrypoint = {"/run"};
  std::vector<std::string> env;
  std::string working_directory = "/";
  // Label moby.buildkit.frontend.network.none.
  bool without_network = false;
  // Label moby.buildkit.frontend.caps: what it can do, as clients ask for it in "frontend.caps".
  std::set<std::string> capabilities;

  // Reads an OCI image config. kInvalidArgument when it is not JSON.
  static StatusOr<FrontendImage> Parse(const std::string& config);
};

// The names in a comma-separated list; what follows a '+' in each says how and is cut off.
std::set<std::string> ParseCapabilities(const std::string& list);

}  // namespace cairn::gateway

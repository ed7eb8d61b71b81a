// What the operator adds to every provenance: the members of the JSON objects in a directory
// (provenanceEnvDir, by default /etc/cairn/provenance.d), read once at the start.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace cairn::server {

// The members of all *.json files of `directory` as one JSON object, later files over earlier ones;
// "" when there is no such directory. kInvalidArgument names the file that is no JSON object, or
// has a member that the daemon itself fills in.
StatusOr<std::string> LoadProvenanceEnvironment(const std::string& directory);

}  // namespace cairn::server

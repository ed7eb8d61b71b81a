// Which release this is.
#pragma once

#include <string>

namespace cairn::server {

extern const char kVersion[];   // "v0.1.0"
extern const char kRevision[];  // of the source, or ""

// What servers are told: "cairn/v0.1.0 (compatible; buildkit/v0)". Servers of build inputs know
// builders by the second name; v0 is the major version of BuildKit's API that is served here.
std::string UserAgent();

}  // namespace cairn::server

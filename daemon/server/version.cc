#include "daemon/server/version.h"

namespace cairn::server {

const char kVersion[] = "v" CAIRN_VERSION;
const char kRevision[] = CAIRN_REVISION;

std::string UserAgent() { return "cairn/v" CAIRN_VERSION " (compatible; buildkit/v0)"; }

}  // namespace cairn::server

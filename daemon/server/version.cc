#include "daemon/server/version.h"

namespace cairn::server {

const char kVersion[] = "v" CAIRN_VERSION;
const char kRevision[] = CAIRN_REVISION;

}  // namespace cairn::server

// Telling systemd how the daemon is doing (sd_notify(3)), without its library.
#pragma once

#include "runtime/base/status.h"

namespace cairn::server {

// Sends `state` ("READY=1", "STOPPING=1") to the socket that NOTIFY_SOCKET names. Does nothing when
// the daemon was not started by systemd.
void NotifyServiceManager(string_view state);

}  // namespace cairn::server

// What this daemon tells clients that it can do (gateway Ping). Clients refuse to send what is not
// listed, and take an empty list for a daemon of long ago.
#pragma once

#include "proto/caps.pb.h"
#include "proto/gateway.pb.h"
#include "runtime/base/status.h"

namespace cairn::control {

// Fills FrontendAPICaps and LLBCaps of `response`.
void AddCapabilities(moby::buildkit::v1::frontend::PongResponse* response);

}  // namespace cairn::control

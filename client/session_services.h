// The small services of a session: registry credentials, secrets, the ssh agent, uploads, health.
//
// Thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "client/session.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace cairn::client {

// One service for each thing that `options` offers; file transfers are in file_sync.h and
// file_send.h.
std::vector<std::unique_ptr<grpc::Service>> MakeSessionServices(const SessionOptions& options);

}  // namespace cairn::client

// The ContextSync service: directories of this machine for Cairn's daemon
// (proto/context_sync.proto), listed, hashed and sent by threads that do not wait for each other.
//
// Thread-safe; the daemon may read several directories at once. A file that cannot be read ends the
// transfer with an error that names it: nothing is ever sent empty in its place.
#pragma once

#include <memory>
#include <vector>

#include "client/session.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace cairn::client {

std::unique_ptr<grpc::Service> MakeContextSyncService(
    const std::vector<LocalDirectory>& directories);

}  // namespace cairn::client

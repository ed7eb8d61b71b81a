// The FileSync service: sends directories of this machine to the daemon (protocol.md 3.1).
//
// Thread-safe; the daemon may read several directories at once. A file that cannot be read ends the
// transfer with an error that names it: nothing is ever sent empty in its place.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/session.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace cairn::client {

std::unique_ptr<grpc::Service> MakeFileSyncService(const std::vector<LocalDirectory>& directories);

}  // namespace cairn::client

// The FileSend service: takes what the daemon exports (protocol.md 3.4): a tar stream into a file
// or descriptor, or files into a directory.
//
// Thread-safe. Files of a directory export are written beneath the directory only, whatever paths
// and links the daemon sends, with this process's owner.
#pragma once

#include <memory>
#include <vector>

#include "client/session.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace cairn::client {

std::unique_ptr<grpc::Service> MakeFileSendService(const std::vector<ExportTarget>& targets);

}  // namespace cairn::client

// absl::Status <-> grpc::Status, with the details of rpc_status.h in grpc-status-details-bin.
#pragma once

#include <grpcpp/support/status.h>

#include "runtime/base/status.h"

namespace cairn::session {

// The details blob carries the same code as the status itself: grpc-go drops an error where the
// two differ.
grpc::Status ToGrpcStatus(const Status& status);
Status FromGrpcStatus(const grpc::Status& status);

}  // namespace cairn::session

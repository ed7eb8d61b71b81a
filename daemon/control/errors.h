// How errors of builds reach clients: text, code and the typed details that they print.
//
// BuildKit's clients print kUnknown errors bare and any other code in front of the text, so errors
// of builds are kUnknown unless a code has a meaning for the client.
#pragma once

#include <grpcpp/support/status.h>

#include "runtime/base/status.h"

namespace google::rpc {
class Status;
}  // namespace google::rpc

namespace cairn::control {

// Turns the details of daemon/llb/errors.h into their wire form; other details stay as they are.
Status WithWireDetails(const Status& status);

// The failure of a build as its client sees it. Codes that mean something to clients stay
// (cancelled, internal, resource exhausted, unimplemented, permission denied); any other becomes
// kUnknown, which they print without a code in front.
Status BuildFailure(const Status& status);

// The status of a call that ended with `status`, details included.
grpc::Status EncodeError(const Status& status);

// The same as a message, for histories and for Return.
google::rpc::Status EncodeRpcStatus(const Status& status);

}  // namespace cairn::control

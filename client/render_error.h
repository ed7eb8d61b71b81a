// Turns the error of a failed build into what a user reads: the Dockerfile's lines with the failing
// ones marked, then the message (protocol.md 1.6: errdefs.Source details).
//
// Pure functions.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace grpc {
class Status;
}  // namespace grpc

namespace cairn::client {

// A status with the daemon's code and message, and "cairn/source" payload holding the rendered
// excerpt when the error has one.
Status FromDaemon(const grpc::Status& status);

// "Dockerfile:3\n-----\n 1 | ...\n 3 | >>> RUN false\n-----\n"; empty when the error names no line.
std::string SourceExcerpt(const Status& status);

}  // namespace cairn::client

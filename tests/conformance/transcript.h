// A daemon's answers as text that is the same each time: without times, ids and sizes.
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

namespace cairn::conformance {

struct Answer {
  grpc::Status status;
  std::vector<std::string> messages;  // bytes
};

// The answer to one call of `method`. Digests of images are shown if `digests`.
std::string Describe(const std::string& method, const Answer& answer, bool digests);

}  // namespace cairn::conformance

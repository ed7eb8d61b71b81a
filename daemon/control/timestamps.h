// absl::Time <-> google.protobuf.Timestamp, and the header that gives clients the daemon's time.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <string>

#include "absl/time/time.h"

namespace cairn::control {

// Clients compute running times with the daemon's clock; some fail without the header.
constexpr char kCurrentTimeHeader[] = "buildkit-current-timestamp";

// RFC 3339 with nanoseconds, in UTC.
std::string FormatCurrentTime(absl::Time now);

void EncodeTime(absl::Time time, google::protobuf::Timestamp* out);
absl::Time DecodeTime(const google::protobuf::Timestamp& time);

}  // namespace cairn::control

#include "daemon/control/timestamps.h"

namespace cairn::control {

std::string FormatCurrentTime(absl::Time now) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E9SZ", now, absl::UTCTimeZone());
}

void EncodeTime(absl::Time time, google::protobuf::Timestamp* out) {
  const timespec parts = absl::ToTimespec(time);
  out->set_seconds(parts.tv_sec);
  out->set_nanos(static_cast<int32_t>(parts.tv_nsec));
}

absl::Time DecodeTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace cairn::control

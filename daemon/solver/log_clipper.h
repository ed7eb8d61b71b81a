// LogClipper: bounds what one output stream of a step sends to its clients.
//
// At most `max_bytes` in all and `bytes_per_second` on average pass; where output is dropped a line
// says so once. The last 256 KiB are kept from then on, so that a step that fails still shows how
// it ended. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "runtime/base/status.h"

namespace cairn::solver {

struct LogLimits {
  int64_t max_bytes = 2 << 20;           // -1 = no limit
  int64_t bytes_per_second = 200 << 10;  // -1 = no limit
};

class LogClipper {
 public:
  LogClipper(const LogLimits& limits, absl::Time start) : limits_(limits), start_(start) {}

  // What of `data`, written at `now`, is to be sent; may be empty, may end in the notice.
  std::string Clip(string_view data, absl::Time now);

  // The end of the output, if any was dropped; empty else, and when called again.
  std::string TakeTail();

 private:
  const LogLimits limits_;
  const absl::Time start_;
  int64_t bytes_ = 0;
  bool clipping_ = false;
  bool keeps_tail_ = false;
  std::string tail_;
};

}  // namespace cairn::solver

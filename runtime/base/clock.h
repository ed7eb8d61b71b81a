// Time as an interface, so that tests own it.
//
// Thread-safe. Code that waits uses CancelToken::WaitFor; nothing sleeps.
#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace cairn {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace cairn

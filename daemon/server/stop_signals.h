// SIGTERM and SIGINT as something to wait for. SIGPIPE is ignored.
#pragma once

#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::server {

// One per program, made before any other thread. Signals are caught by a handler that writes to a
// pipe and not blocked, so that children start with a clean mask.
class StopSignals {
 public:
  static StatusOr<StopSignals> Catch();

  // Waits for the next signal and returns its number.
  int Wait();

 private:
  explicit StopSignals(UniqueFd read) : read_(std::move(read)) {}
  UniqueFd read_;
};

}  // namespace cairn::server

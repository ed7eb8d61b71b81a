// Signals by the names that clients send.
#pragma once

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace cairn::sandbox {

// The number of a signal given as "SIGTERM", "term" or "15". kInvalidArgument: no such signal.
StatusOr<int> ParseSignal(string_view text);

}  // namespace cairn::sandbox

// Several blocking tasks at a time.
#pragma once

#include <functional>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::control {

// Runs every task, at most 16 at a time, and returns when all are done: the first failure, in their
// order; a cancellation only when nothing else failed, as it is often another failure's
// consequence.
Status RunAll(const std::vector<std::function<Status()>>& tasks);

}  // namespace cairn::control

// A process' three streams.
#pragma once

#include "runtime/base/fd.h"

namespace cairn::sandbox {

// Handed over to the process; one that is not valid is /dev/null. Ignored when the process has a
// terminal.
struct ProcessIo {
  UniqueFd input;
  UniqueFd output;
  UniqueFd error;
};

}  // namespace cairn::sandbox

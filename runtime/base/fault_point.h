// Named places where tests make the program fail or die, compiled out of release builds.
//
// CAIRN_FAULT_POINT("blob.rename") returns an injected status from the surrounding function when
// the environment variable CAIRN_FAULT names the point: "blob.rename=error", "blob.rename=crash"
// (SIGKILL to itself) or "blob.rename=crash@7" (on the seventh pass). The variable is read once.
#pragma once

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace cairn {

// OK, or the injected failure of the point `name`; may not return at all.
Status PassFaultPoint(string_view name);

}  // namespace cairn

#ifdef CAIRN_FAULTS
#define CAIRN_FAULT_POINT(name) RETURN_IF_ERROR(::cairn::PassFaultPoint(name))
#else
#define CAIRN_FAULT_POINT(name) \
  do {                          \
  } while (false)
#endif

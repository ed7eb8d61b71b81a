// Checks of a single operation: the parts that every later reader relies on.
#pragma once

#include "runtime/base/status.h"

namespace pb {
class Op;
}  // namespace pb

namespace cairn::llb {

// OK when `op` has exactly the sub-messages its kind needs and every index it holds is in range:
// mounts, merge and diff inputs refer to inputs that exist, file actions only to inputs and to
// earlier actions. kInvalidArgument otherwise. An op of no kind is refused.
Status ValidateOp(const pb::Op& op);

}  // namespace cairn::llb

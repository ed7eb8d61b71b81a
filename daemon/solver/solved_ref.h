// A Ref that needs no solving.
#pragma once

#include "daemon/solver/ref.h"

namespace cairn::solver {

// One that `chain` is the result of, with no definition.
RefPtr MakeSolvedRef(layer::Chain chain);

}  // namespace cairn::solver

// What operations and their attributes this daemon knows, in the names that clients ask for and
// that definitions list per operation (protocol.md, solver capabilities).
#pragma once

#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace pb {
class OpMetadata;
}  // namespace pb

namespace cairn::llb {

// By name. Only what is there: an operation that would be refused for its kind is not in it.
const std::vector<std::string>& Capabilities();

// kUnimplemented for an operation that needs what this daemon does not know: to run it without
// would be to run another.
Status CheckCapabilities(const pb::OpMetadata& metadata);

}  // namespace cairn::llb

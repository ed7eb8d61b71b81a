// Numbers in attributes of sources.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/status.h"

namespace cairn::source {

// Reads `text`, a number in Go's syntax for literals: decimal, 0755, 0o755, 0x1ed. kInvalidArgument
// names `attribute`.
StatusOr<uint32_t> ParseGoNumber(const std::string& attribute, const std::string& text);

}  // namespace cairn::source

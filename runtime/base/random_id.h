// Ids that nobody can guess: 25 characters of base36, as BuildKit's.
#pragma once

#include <string>

namespace cairn {

std::string RandomId();

}  // namespace cairn

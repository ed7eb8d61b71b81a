// Lists and values in one argument, as clients write them: "type=image,\"name=a,b\",push=true".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace cairn {

// The fields of one comma-separated record (RFC 4180 quotes). Errors are kUnknown with the texts
// that users know from Go's encoding/csv, as BuildKit passes them on.
StatusOr<std::vector<std::string>> SplitFields(string_view text);

// Go's strconv.ParseBool: 1 t T TRUE true True and 0 f F FALSE false False; nothing for all else.
std::optional<bool> ParseGoBool(string_view text);

}  // namespace cairn

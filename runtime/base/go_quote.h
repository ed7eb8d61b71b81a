// Text as Go writes it: BuildKit's messages are made with its %q and their readers search for them;
// its documents are made with its JSON encoder, and equal documents have equal digests.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace cairn {

// Escapes as strconv.Quote does: \a \b \f \n \r \t \v \\ \", \x7f for control characters and bytes
// that are no UTF-8. All other characters are taken for printable.
std::string GoQuote(string_view text);

// The JSON document `json` with what encoding/json escapes in strings though JSON does not ask for
// it: < > & and Unicode's line and paragraph separators.
std::string GoJson(string_view json);

}  // namespace cairn

// GoQuote: text in double quotes as Go's %q prints it, which BuildKit's messages are made with and
// their readers search for.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace cairn {

// Escapes as strconv.Quote does: \a \b \f \n \r \t \v \\ \", \x7f for control characters and bytes
// that are no UTF-8. All other characters are taken for printable.
std::string GoQuote(string_view text);

}  // namespace cairn

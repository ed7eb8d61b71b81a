// Names of Linux signals, as STOPSIGNAL takes them.
#pragma once

#include "absl/strings/string_view.h"

namespace cairn::dockerfile {

// Whether `text` is a positive number or a signal's name, with or without SIG, in any case.
bool IsSignal(absl::string_view text);

}  // namespace cairn::dockerfile

// Errors of a Dockerfile: what went wrong and on which lines.
//
// Errors have code kUnknown, because clients print any other code's name before the message. Lines
// travel in a payload of the status; the frontend turns them into "errdefs.Source+json" at the end.
// An error found while working for another instruction has several locations, innermost first.
#pragma once

#include <vector>

#include "daemon/llb/source_location.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

using Position = llb::SourcePosition;
using Range = llb::SourceRange;
using Ranges = std::vector<Range>;

// A user-facing error with exactly this message.
Status Error(string_view message);

// One range a line, from `start` to `end`; just `start` when `end` is smaller.
Ranges LineRanges(int start, int end);

// Adds a location to an error; OK stays OK.
Status WithLocation(const Status& status, const Ranges& ranges);

// Replaces all locations of an error by one.
Status SetLocation(const Status& status, const Ranges& ranges);

// The locations of `status` in the order they were added; empty when it has none.
std::vector<Ranges> LocationsOf(const Status& status);

// A copy of `status` with another message; code and payloads stay.
Status WithMessage(const Status& status, string_view message);

}  // namespace cairn::dockerfile

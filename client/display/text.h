// Pieces of text that the displays share. Pure functions.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "client/progress_model.h"

namespace cairn::client {

// "0.1s", "12.3s", "2m05s".
std::string FormatSeconds(absl::Duration duration);

// Decimal units as Docker prints them: "85B", "1.21kB", "389.4MB".
std::string FormatBytes(int64_t bytes);

// How long ago something was: "5 seconds ago", "3 hours ago".
std::string FormatAge(absl::Duration age);

// "transferring context: 3.2MB / 10MB 1.2s done".
std::string FormatTask(const TaskView& task, absl::Time now);

// What a failed build leaves on the screen: "------\n > name:\n<last output>\n------\n" for each
// vertex that failed by itself.
std::string FailureReport(const ProgressModel& model);

// "1 warning found:\n - short (line 3)\n".
std::string WarningReport(const ProgressModel& model);

}  // namespace cairn::client

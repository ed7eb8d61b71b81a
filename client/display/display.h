// A Display shows a build's progress as it comes in.
//
// Update and Finish are called from one thread at a time. What is shown goes to stderr, so that
// stdout is the result's.
#pragma once

#include <memory>
#include <string>

#include "proto/control.pb.h"
#include "runtime/base/status.h"

namespace cairn::client {

enum class DisplayMode { kAuto, kPlain, kTty, kQuiet, kRawJson };

// "auto", "plain", "tty", "quiet", "none", "rawjson".
StatusOr<DisplayMode> ParseDisplayMode(string_view text);

class Display {
 public:
  virtual ~Display() = default;
  virtual void Update(const moby::buildkit::v1::StatusResponse& message) = 0;
  // Shows the last state and, of a failure, the output of the step that failed.
  virtual void Finish(const Status& result) = 0;
};

// kAuto is kTty on a terminal, else kPlain.
std::unique_ptr<Display> MakeDisplay(DisplayMode mode);

}  // namespace cairn::client

#include "runtime/sandbox/run_outcome.h"

#include "absl/strings/str_cat.h"

namespace cairn::sandbox {

std::string ToString(const RunOutcome& outcome) {
  switch (outcome.kind) {
    case RunOutcome::Kind::kExited:
      return absl::StrCat("exited with code ", outcome.exit_code,
                          outcome.message.empty() ? "" : ": ", outcome.message);
    case RunOutcome::Kind::kSignalled:
      return absl::StrCat("killed by signal ", outcome.signal);
    case RunOutcome::Kind::kOomKilled:
      return "killed: out of memory";
    case RunOutcome::Kind::kSetupFailed:
      return absl::StrCat("set-up failed (", SetupStepName(outcome.step), "): ", outcome.message);
    case RunOutcome::Kind::kCancelled:
      return "cancelled";
  }
  return "unknown outcome";
}

}  // namespace cairn::sandbox

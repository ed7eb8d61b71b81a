// Puts every build into the history.
#pragma once

#include "daemon/control/build_runner.h"
#include "daemon/history/history.h"

namespace cairn::control {

// Thread-safe. `history` and `clock` outlive it.
class HistoryRecorder final : public BuildObserver {
 public:
  HistoryRecorder(history::History& history, const Clock& clock, Logger& log)
      : history_(history), clock_(clock), log_(log) {}

  void OnStart(const BuildRequest& request, absl::Time started) override;
  // A history that cannot be written is a warning: the build has its result.
  void OnEnd(const FinishedBuild& build) override;

 private:
  history::History& history_;
  const Clock& clock_;
  Logger& log_;
};

}  // namespace cairn::control

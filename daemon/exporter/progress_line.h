// ProgressLine: one line of progress under an exporter's vertex ("exporting layers"), from its
// construction to its destruction.
//
// Thread-compatible; updates come at most every 100 ms.
#pragma once

#include <string>

#include "daemon/solver/progress.h"
#include "runtime/base/clock.h"

namespace cairn::exporter {

class ProgressLine {
 public:
  // Both outlive the line.
  ProgressLine(solver::VertexReporter& reporter, const Clock& clock, std::string id,
               std::string name = "")
      : reporter_(reporter), clock_(clock) {
    event_.id = std::move(id);
    event_.name = std::move(name);
    event_.started = event_.timestamp = last_ = clock.Now();
    reporter_.Status(event_);
  }
  ~ProgressLine() {
    event_.completed = event_.timestamp = clock_.Now();
    reporter_.Status(event_);
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Update(int64_t current) {
    event_.current = current;
    const absl::Time now = clock_.Now();
    if (now - last_ >= absl::Milliseconds(100)) {
      last_ = event_.timestamp = now;
      reporter_.Status(event_);
    }
  }

 private:
  solver::VertexReporter& reporter_;
  const Clock& clock_;
  solver::StatusEvent event_{.vertex = Digest::Of("")};  // the reporter fills the vertex in
  absl::Time last_;
};

}  // namespace cairn::exporter

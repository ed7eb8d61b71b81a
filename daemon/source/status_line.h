// StatusLine: one line of progress under a vertex, from its construction to Done or destruction.
//
// Thread-compatible; updates come at most every 100 ms.
#pragma once

#include <string>

#include "daemon/solver/progress.h"
#include "runtime/base/clock.h"

namespace cairn::source {

class StatusLine {
 public:
  // Both outlive the line. `id` is what clients show.
  StatusLine(solver::VertexReporter& reporter, const Clock& clock, std::string id, std::string name)
      : reporter_(reporter), clock_(clock) {
    event_.id = std::move(id);
    event_.name = std::move(name);
    event_.started = event_.timestamp = last_ = clock.Now();
    reporter_.Status(event_);
  }
  ~StatusLine() { Done(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  void Update(int64_t current, int64_t total) {
    event_.current = current;
    event_.total = total;
    const absl::Time now = clock_.Now();
    if (now - last_ >= absl::Milliseconds(100)) {
      last_ = event_.timestamp = now;
      reporter_.Status(event_);
    }
  }

  // Completes the line; called again, it does nothing.
  void Done() {
    if (!event_.completed.has_value()) {
      event_.completed = event_.timestamp = clock_.Now();
      reporter_.Status(event_);
    }
  }

 private:
  solver::VertexReporter& reporter_;
  const Clock& clock_;
  solver::StatusEvent event_;
  absl::Time last_;
};

}  // namespace cairn::source

// VertexProgress: the progress of one vertex, told to every build that waits for it.
//
// A build that joins later is told what has happened so far (the journal is bounded by the log
// limits). A vertex may have several intervals: preparing and running are two. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/solver/log_clipper.h"
#include "daemon/solver/progress.h"
#include "runtime/base/sync.h"

namespace cairn::solver {

class VertexProgress final : public VertexReporter {
 public:
  // `clock` outlives it.
  VertexProgress(const Clock& clock, const LogLimits& limits) : clock_(clock), limits_(limits) {}

  // Tells `log` about this vertex from now on, under the identity, name and inputs of `vertex`, and
  // at once what happened so far. The log is shared with the build and with its readers.
  void AddListener(std::shared_ptr<ProgressLog> log, VertexEvent vertex);
  void RemoveListener(const ProgressLog* log);

  // What other vertices are told is told here too, under their own identities, until this one ends:
  // they wait for the same work.
  void AddListenersOf(const VertexProgress& follower);
  // Undoes AddListenersOf: the others have to do the work themselves. What they were told is ended.
  void ReleaseFollowers();

  void Start();
  // Ends the interval; an empty `error` is success. Without an interval only an error shows up (as
  // one of no length). Statuses that are not complete are completed.
  void Finish(const std::string& error);
  // The result was there: an interval of no length, marked cached.
  void FinishCached();
  // Nothing more will happen: who joins from now on is not told what did.
  void ForgetJournal();

  void Status(StatusEvent event) override;
  void Log(int stream, string_view data) override;
  void Warn(WarningEvent warning) override;

 private:
  struct Listener {
    std::shared_ptr<ProgressLog> log;
    VertexEvent vertex;
    bool follows = false;
  };

  void TellVertex(const VertexEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellLog(int stream, std::string data, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Add(const Listener& listener) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Clock& clock_;
  const LogLimits limits_;

  // Held while listeners' logs are written, so that all see one order; a log takes no other lock.
  mutable Mutex mu_;
  std::vector<Listener> listeners_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Time> started_ ABSL_GUARDED_BY(mu_);
  std::map<int, LogClipper> clippers_ ABSL_GUARDED_BY(mu_);
  // Of the current interval, or of the last one.
  std::vector<VertexEvent> intervals_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, StatusEvent> statuses_ ABSL_GUARDED_BY(mu_);
  std::vector<LogEvent> logs_ ABSL_GUARDED_BY(mu_);
  std::vector<WarningEvent> warnings_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::solver

// The sessions that are open now, by id.
//
// Global to the daemon, not to a build: one session serves several builds, and a build may call
// into another build's session. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "daemon/session/health_monitor.h"
#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/duplex_stream.h"
#include "runtime/base/log.h"
#include "runtime/base/sync.h"

namespace cairn::session {

// How long a build waits for a session that has not connected yet.
constexpr absl::Duration kSessionWait = absl::Seconds(5);

class SessionManager {
 public:
  explicit SessionManager(Logger& log, HealthPolicy health = {});
  // All calls of Serve must have returned.
  ~SessionManager();
  SessionManager(const SessionManager&) = delete;
  SessionManager& operator=(const SessionManager&) = delete;

  // Registers the session `info` and carries its connection over `stream` until the client leaves,
  // the session is closed or `cancel` fires. Blocks the calling thread all that time. A later
  // session of the same id takes the place of an earlier one.
  Status Serve(SessionInfo info, DuplexStream& stream, const CancelToken& cancel);

  // Returns the session `id`, waiting up to `wait` for it to connect. An id may have a prefix that
  // ends in ":", which only tells apart what one client offers under one name. When the time is up,
  // kUnavailable "no active session for <id>: context deadline exceeded".
  StatusOr<std::shared_ptr<Session>> Get(string_view id, const CancelToken& cancel,
                                         absl::Duration wait = kSessionWait);

  // Registers a session whose channel exists already, and takes it out again.
  void Add(std::shared_ptr<Session> session);
  void Remove(const Session& session);

  int open_sessions() const;

 private:
  Logger& log_;
  mutable Mutex mu_;
  CondVar changed_;
  std::map<std::string, std::shared_ptr<Session>> sessions_ ABSL_GUARDED_BY(mu_);
  HealthMonitor health_;
};

}  // namespace cairn::session

// Watches whether the clients behind the sessions still answer.
//
// One thread for all sessions: each is asked grpc.health.v1.Health/Check at an interval, and closed
// when too many checks in a row fail. The time limit grows with the last check's duration, so that
// a slow line under load is not taken for a dead one.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "daemon/session/session.h"
#include "runtime/base/log.h"

namespace cairn::session {

struct HealthPolicy {
  absl::Duration interval = absl::Seconds(5);
  absl::Duration min_timeout = absl::Seconds(15);
  int max_failures = 2;
};

// Thread-safe.
class HealthMonitor {
 public:
  HealthMonitor(HealthPolicy policy, Logger& log);
  ~HealthMonitor();
  HealthMonitor(const HealthMonitor&) = delete;
  HealthMonitor& operator=(const HealthMonitor&) = delete;

  // Checks `session` until it is closed.
  void Watch(std::shared_ptr<Session> session);

  // Lets go of the sessions that have been closed.
  void Sweep();

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace cairn::session

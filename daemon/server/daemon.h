// The daemon put together: every part is made here, once, and handed to those that need it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "daemon/server/config.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace cairn::server {

// Used by one thread.
class Daemon {
 public:
  // Opens the state, starts the parts and listens. `config` and `log` outlive the daemon.
  static StatusOr<std::unique_ptr<Daemon>> Start(const Config& config, Logger& log);
  // Ends what Drain has left.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  const std::vector<std::string>& addresses() const;

  // Takes no new calls, lets running ones end for `grace`, then cancels them.
  void Drain(absl::Duration grace);

 private:
  struct Parts;
  explicit Daemon(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace cairn::server

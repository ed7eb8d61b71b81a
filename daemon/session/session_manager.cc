#include "daemon/session/session_manager.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/session/tunnel.h"

namespace cairn::session {

SessionManager::SessionManager(Logger& log, HealthPolicy health)
    : log_(log), health_(health, log) {}

SessionManager::~SessionManager() = default;

Status SessionManager::Serve(SessionInfo info, DuplexStream& stream, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(Tunnel tunnel, OpenTunnel());
  auto session = std::make_shared<Session>(std::move(info), std::move(tunnel.channel));
  CancelCallback on_cancel(cancel, [&session] { session->Close("the daemon is shutting down"); });
  log_.Debug("session opened", {{"session", session->id()}});
  Add(session);
  health_.Watch(session);
  PumpTunnel(tunnel.pump_end.get(), *session, stream);
  Remove(*session);
  health_.Sweep();
  log_.Debug("session ended",
             {{"session", session->id()}, {"reason", session->closed().Check().message()}});
  return absl::OkStatus();
}

StatusOr<std::shared_ptr<Session>> SessionManager::Get(string_view id, const CancelToken& cancel,
                                                       absl::Duration wait) {
  std::string key(id);
  const size_t colon = key.find(':');
  if (colon != std::string::npos && colon + 1 < key.size()) {
    key = key.substr(colon + 1);
  }
  const absl::Time deadline = absl::Now() + wait;
  CancelCallback on_cancel(cancel, [this] {
    MutexLock lock(mu_);
    changed_.NotifyAll();
  });
  MutexLock lock(mu_);
  while (true) {
    RETURN_IF_ERROR(cancel.Check());
    auto found = sessions_.find(key);
    if (found != sessions_.end() && !found->second->closed().cancelled()) {
      return found->second;
    }
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::UnavailableError(
          absl::StrCat("no active session for ", key, ": context deadline exceeded"));
    }
    changed_.WaitFor(mu_, left);
  }
}

void SessionManager::Add(std::shared_ptr<Session> session) {
  MutexLock lock(mu_);
  sessions_[session->id()] = std::move(session);
  changed_.NotifyAll();
}

void SessionManager::Remove(const Session& session) {
  MutexLock lock(mu_);
  auto found = sessions_.find(session.id());
  if (found != sessions_.end() && found->second.get() == &session) {
    sessions_.erase(found);
  }
}

int SessionManager::open_sessions() const {
  MutexLock lock(mu_);
  return static_cast<int>(sessions_.size());
}

}  // namespace cairn::session

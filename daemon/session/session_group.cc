#include "daemon/session/session_group.h"

#include <algorithm>

namespace cairn::session {
namespace {

bool MayAskAnother(const Status& status) {
  return absl::IsNotFound(status) || absl::IsUnavailable(status) || absl::IsUnimplemented(status);
}

}  // namespace

SessionGroup SessionGroup::Preferring(string_view id) const {
  std::vector<std::string> ids = {std::string(id)};
  for (const std::string& other : ids_) {
    if (other != id) {
      ids.push_back(other);
    }
  }
  return SessionGroup(std::move(ids));
}

Status SessionGroup::Any(SessionManager& manager, const CancelToken& cancel,
                         const std::function<Status(const std::shared_ptr<Session>&)>& use) const {
  Status last = absl::UnavailableError("no active sessions");
  for (const std::string& id : ids_) {
    auto session = manager.Get(id, cancel);
    RETURN_IF_ERROR(cancel.Check());
    last = session.ok() ? use(*session) : session.status();
    if (last.ok() || !MayAskAnother(last)) {
      return last;
    }
  }
  return last;
}

}  // namespace cairn::session

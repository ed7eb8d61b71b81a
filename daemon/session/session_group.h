// The sessions that a build may ask, in order.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/session/session_manager.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::session {

// A value: copy it freely. Immutable, so thread-safe.
class SessionGroup {
 public:
  SessionGroup() = default;
  explicit SessionGroup(std::vector<std::string> ids) : ids_(std::move(ids)) {}

  const std::vector<std::string>& ids() const { return ids_; }
  bool empty() const { return ids_.empty(); }

  // This group with `id` asked first.
  SessionGroup Preferring(string_view id) const;

  // Calls `use` with each session in turn until one call does not fail with kNotFound,
  // kUnavailable or kUnimplemented; returns that outcome, else the last failure. A session that is
  // not connected is waited for, kSessionWait each. An empty group is kUnavailable "no active
  // sessions".
  Status Any(SessionManager& manager, const CancelToken& cancel,
             const std::function<Status(const std::shared_ptr<Session>&)>& use) const;

 private:
  std::vector<std::string> ids_;
};

}  // namespace cairn::session

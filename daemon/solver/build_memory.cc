#include "daemon/solver/build_memory.h"

#include <utility>

namespace cairn::solver {

void BuildMemory::Keep(const std::string& id, RefPtr state) {
  MutexLock lock(mu_);
  states_[id] = std::move(state);
}

RefPtr BuildMemory::Find(const std::string& id) const {
  MutexLock lock(mu_);
  const auto found = states_.find(id);
  return found == states_.end() ? nullptr : found->second;
}

std::string BuildMemory::Pin(const std::string& question, std::string answer) {
  MutexLock lock(mu_);
  return answers_.emplace(question, std::move(answer)).first->second;
}

bool BuildMemory::IsFirst(const std::string& question) {
  MutexLock lock(mu_);
  return answers_.emplace(question, std::string()).second;
}

std::optional<std::string> BuildMemory::Pinned(const std::string& question) const {
  MutexLock lock(mu_);
  const auto found = answers_.find(question);
  return found == answers_.end() ? std::nullopt : std::optional(found->second);
}

void BuildMemory::Clear() {
  std::map<std::string, RefPtr> states;  // goes after the lock: states remove directories
  MutexLock lock(mu_);
  states.swap(states_);
  answers_.clear();
}

}  // namespace cairn::solver

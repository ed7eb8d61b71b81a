#include "daemon/source/marked_contexts.h"

#include <utility>

namespace cairn::source {

std::optional<MarkedContexts::Context> MarkedContexts::Find(const std::string& vertex) const {
  MutexLock lock(mu_);
  const auto found = entries_.find(vertex);
  if (found == entries_.end() || found->second.session.expired()) {
    return std::nullopt;
  }
  return found->second.context;
}

void MarkedContexts::Add(const std::string& vertex,
                         const std::shared_ptr<session::Session>& session, Context context) {
  MutexLock lock(mu_);
  std::erase_if(entries_, [](const auto& entry) { return entry.second.session.expired(); });
  entries_.insert_or_assign(vertex, Entry{session, std::move(context)});
}

}  // namespace cairn::source

#include "cache/blob/protection.h"

namespace cairn::blob {

uint64_t Protection::OpenTicket() {
  MutexLock lock(mu_);
  const uint64_t ticket = next_ticket_++;
  tickets_.insert(ticket);
  return ticket;
}

void Protection::CloseTicket(uint64_t ticket) {
  absl::flat_hash_map<Digest, uint64_t> dropped;  // freed after the lock
  MutexLock lock(mu_);
  const bool was_oldest = !tickets_.empty() && *tickets_.begin() == ticket;
  tickets_.erase(ticket);
  if (tickets_.empty()) {
    dropped.swap(touched_);
  } else if (was_oldest) {
    const uint64_t oldest = *tickets_.begin();
    absl::erase_if(touched_, [&](const auto& entry) { return entry.second < oldest; });
  }
}

void Protection::Touch(const Digest& digest) {
  MutexLock lock(mu_);
  while (removing_.contains(digest)) {
    removed_.Wait(mu_);
  }
  if (!tickets_.empty()) {
    touched_[digest] = *tickets_.rbegin();
  }
}

bool Protection::BeginRemoval(const Digest& digest) {
  MutexLock lock(mu_);
  while (removing_.contains(digest)) {
    removed_.Wait(mu_);
  }
  if (touched_.contains(digest)) {
    return false;
  }
  removing_.insert(digest);
  return true;
}

void Protection::EndRemoval(const Digest& digest) {
  MutexLock lock(mu_);
  removing_.erase(digest);
  removed_.NotifyAll();
}

}  // namespace cairn::blob

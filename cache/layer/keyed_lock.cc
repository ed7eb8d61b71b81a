#include "cache/layer/keyed_lock.h"

#include <optional>

namespace cairn::layer {

KeyedLock::Guard::~Guard() {
  if (lock_ != nullptr) {
    MutexLock lock(lock_->mu_);
    lock_->held_.erase(key_);
    lock_->released_.NotifyAll();
  }
}

StatusOr<KeyedLock::Guard> KeyedLock::Acquire(const std::string& key, const CancelToken& cancel) {
  {
    MutexLock lock(mu_);
    if (held_.insert(key).second) {
      return Guard(this, key);
    }
  }
  const CancelCallback wake(cancel, [this] {
    MutexLock lock(mu_);
    released_.NotifyAll();
  });
  MutexLock lock(mu_);
  while (!cancel.cancelled() && !held_.insert(key).second) {
    released_.Wait(mu_);
  }
  RETURN_IF_ERROR(cancel.Check());
  return Guard(this, key);
}

}  // namespace cairn::layer

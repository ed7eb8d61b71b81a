// KeyedLock: one holder per key at a time, so that two who want one thing made do not both make it.
// Whoever gets the lock looks first whether the thing is there by now.
//
// Thread-safe.
#pragma once

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "runtime/base/cancel.h"
#include "runtime/base/sync.h"

namespace cairn::layer {

class KeyedLock {
 public:
  // Holds one key. Move-only; the lock outlives it.
  class Guard {
   public:
    Guard(KeyedLock* lock, std::string key) : lock_(lock), key_(std::move(key)) {}
    Guard(Guard&& other) noexcept
        : lock_(std::exchange(other.lock_, nullptr)), key_(std::move(other.key_)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard();

   private:
    KeyedLock* lock_;
    std::string key_;
  };

  // Waits until nobody else holds `key`, or `cancel` fires.
  StatusOr<Guard> Acquire(const std::string& key, const CancelToken& cancel);

 private:
  Mutex mu_;
  CondVar released_;
  absl::flat_hash_set<std::string> held_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::layer

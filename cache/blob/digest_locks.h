// DigestLocks: one lock per digest, for work on the files of one blob. Unlike a Mutex it may be
// held across I/O; it is taken before any Mutex. Thread-safe.
#pragma once

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "runtime/base/digest.h"
#include "runtime/base/sync.h"

namespace cairn::blob {

class DigestLocks {
 public:
  // Holds a digest's lock until destruction.
  class Guard {
   public:
    Guard(DigestLocks& locks, const Digest& digest) : locks_(locks), digest_(digest) {
      MutexLock lock(locks_.mu_);
      while (!locks_.held_.insert(digest_).second) {
        locks_.released_.Wait(locks_.mu_);
      }
    }
    ~Guard() {
      MutexLock lock(locks_.mu_);
      locks_.held_.erase(digest_);
      locks_.released_.NotifyAll();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    DigestLocks& locks_;
    const Digest digest_;
  };

 private:
  Mutex mu_;
  CondVar released_;
  absl::flat_hash_set<Digest> held_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::blob

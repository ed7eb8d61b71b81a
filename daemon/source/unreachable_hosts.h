// UnreachableHosts: registries that did not answer a moment ago. A build whose image is here anyway
// does not wait for them to fail again.
//
// Thread-safe.
#pragma once

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "runtime/base/sync.h"

namespace cairn::source {

class UnreachableHosts {
 public:
  // So long is a failure taken for granted.
  static constexpr absl::Duration kRemembered = absl::Seconds(15);

  void Add(const std::string& host, absl::Time now) {
    MutexLock lock(mu_);
    failed_.insert_or_assign(host, now);
  }

  bool Contains(const std::string& host, absl::Time now) {
    MutexLock lock(mu_);
    const auto found = failed_.find(host);
    if (found == failed_.end()) {
      return false;
    }
    const absl::Duration ago = now - found->second;
    if (ago >= absl::ZeroDuration() && ago < kRemembered) {
      return true;
    }
    failed_.erase(found);
    return false;
  }

 private:
  Mutex mu_;
  absl::flat_hash_map<std::string, absl::Time> failed_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::source

// The collector: decides which records go, by BuildKit's rules (buildkitd.toml gcpolicy, Prune),
// and lets the ledger remove them. Oldest use first; records in use never.
//
// Thread-safe; one collection at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/gc/filter.h"
#include "cache/gc/ledger.h"
#include "runtime/base/cancel.h"
#include "runtime/base/clock.h"

namespace cairn::gc {

// One rule. Sizes in bytes, 0 = no limit. A rule applies to records that match `filters` (any of
// them; none = all), are unused for `keep_duration`, and, unless `all`, are not internal or
// frontend records.
struct PolicyRule {
  bool all = false;
  absl::Duration keep_duration = absl::ZeroDuration();
  uint64_t reserved_space = 0;
  uint64_t max_used_space = 0;
  uint64_t min_free_space = 0;
  std::vector<std::string> filters;
};

class Collector {
 public:
  // `root` is a path on the store's file system, asked for free space. All outlive the collector.
  Collector(Ledger& ledger, const Clock& clock, std::string root);

  // Removes what `rule` lets go, calling `removed` for each record. A rule without any size limit
  // removes all that matches.
  Status Prune(const PolicyRule& rule, const std::function<void(const Record&)>& removed,
               const CancelToken& cancel);

  // Runs `policy`, one rule after the other.
  Status Collect(const std::vector<PolicyRule>& policy, const CancelToken& cancel);

 private:
  Ledger& ledger_;
  const Clock& clock_;
  const std::string root_;
};

// The rules used when none are configured, from the disk's size (protocol.md 9.1, "Default GC").
std::vector<PolicyRule> DefaultPolicy(uint64_t disk_bytes);

}  // namespace cairn::gc

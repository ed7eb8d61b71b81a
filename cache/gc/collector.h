// The collector: decides which records go, by BuildKit's rules (buildkitd.toml gcpolicy, Prune),
// and lets the ledger remove them. Oldest use first; records in use never.
//
// Thread-safe; one collection at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "cache/gc/filter.h"
#include "cache/gc/ledger.h"
#include "runtime/base/cancel.h"
#include "runtime/base/clock.h"
#include "runtime/base/sync.h"

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
  Collector(Ledger& ledger, const Clock& clock, std::string root)
      : ledger_(ledger), clock_(clock), root_(std::move(root)) {}

  // Removes what `rule` lets go, calling `removed` for each record with the bytes that its removal
  // freed as its size. A rule without any size limit removes all that matches; one with limits
  // removes the record used longest ago, and so on, until the total is within max_used_space and
  // min_free_space, but not below reserved_space. kInvalidArgument when a filter is malformed.
  Status Prune(const PolicyRule& rule, const std::function<void(const Record&)>& removed,
               const CancelToken& cancel);

  // Sweeps what no record names, then runs `policy`, one rule after the other.
  Status Collect(const std::vector<PolicyRule>& policy, const CancelToken& cancel);

 private:
  // The records that `rule` may remove, oldest use first.
  StatusOr<std::vector<Record>> Candidates(const PolicyRule& rule);
  // How many bytes may stay; nullopt when the rule has no limit.
  StatusOr<std::optional<int64_t>> BytesToKeep(const PolicyRule& rule, uint64_t total);

  Ledger& ledger_;
  const Clock& clock_;
  const std::string root_;
  Mutex collecting_;  // held across a whole collection; taken before any other lock
};

// The rules used when none are configured, from the disk's size: BuildKit's, but that cache mounts
// are not taken by the rule for what is easily made again (see README.md).
std::vector<PolicyRule> DefaultPolicy(uint64_t disk_bytes);

}  // namespace cairn::gc

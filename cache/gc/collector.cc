#include "cache/gc/collector.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "runtime/fs/disk.h"

namespace cairn::gc {
namespace {

bool UnusedFor(const Record& record, absl::Duration duration, absl::Time now) {
  // No duration means always, also of what a clock that was ahead has marked.
  return duration == absl::ZeroDuration() ||
         now - record.last_used.value_or(record.created) >= duration;
}

// A share of the disk, in the steps in which BuildKit shows it: whole GB, rounded up.
uint64_t Percent(uint64_t disk_bytes, uint64_t percent) {
  const uint64_t share = disk_bytes / 100 * percent;
  return (share / (uint64_t{1} << 30) + 1) * 1'000'000'000;
}

}  // namespace

StatusOr<std::vector<Record>> Collector::Candidates(const PolicyRule& rule) {
  ASSIGN_OR_RETURN(const Filter filter, Filter::Parse(rule.filters));
  ASSIGN_OR_RETURN(std::vector<Record> records, ledger_.List());
  const absl::Time now = clock_.Now();
  std::erase_if(records, [&](const Record& record) {
    const bool reserved =
        record.type == RecordType::kInternal || record.type == RecordType::kFrontend;
    return record.in_use || (reserved && !rule.all) ||
           !UnusedFor(record, rule.keep_duration, now) || !filter.Matches(record);
  });
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return a.use_order < b.use_order; });
  return records;
}

StatusOr<std::optional<int64_t>> Collector::BytesToKeep(const PolicyRule& rule, uint64_t total) {
  if (rule.max_used_space == 0 && rule.reserved_space == 0 && rule.min_free_space == 0) {
    return std::optional<int64_t>();
  }
  int64_t keep = rule.max_used_space == 0 ? INT64_MAX : static_cast<int64_t>(rule.max_used_space);
  if (rule.min_free_space != 0) {
    ASSIGN_OR_RETURN(const fs::DiskSpace disk, fs::ReadDiskSpace(root_));
    const int64_t excess =
        static_cast<int64_t>(rule.min_free_space) - static_cast<int64_t>(disk.available);
    if (excess > 0) {
      keep = std::min(keep, static_cast<int64_t>(total) - excess);
    }
  } else if (rule.max_used_space == 0) {
    // Only a reserve is named: what is above it goes.
    keep = 0;
  }
  return std::max(keep, static_cast<int64_t>(rule.reserved_space));
}

Status Collector::Prune(const PolicyRule& rule, const std::function<void(const Record&)>& removed,
                        const CancelToken& cancel) {
  MutexLock lock(collecting_);
  ASSIGN_OR_RETURN(const std::vector<Record> candidates, Candidates(rule));
  ASSIGN_OR_RETURN(const uint64_t bytes, ledger_.TotalBytes());
  int64_t total = static_cast<int64_t>(bytes);
  ASSIGN_OR_RETURN(const std::optional<int64_t> keep, BytesToKeep(rule, bytes));
  for (Record record : candidates) {
    RETURN_IF_ERROR(cancel.Check());
    if (keep.has_value() && total <= *keep) {
      break;
    }
    const StatusOr<uint64_t> freed = ledger_.Remove(record.identity);
    if (absl::IsFailedPrecondition(freed.status()) || absl::IsNotFound(freed.status())) {
      continue;  // somebody began to use it, or was faster
    }
    RETURN_IF_ERROR_IN(freed.status(), absl::StrCat("prune ", record.description));
    total -= static_cast<int64_t>(*freed);
    record.size = *freed;
    removed(record);
  }
  // Who asks for everything to go means what a crash left behind as well.
  return rule.all && !keep.has_value() ? ledger_.Sweep().status() : absl::OkStatus();
}

Status Collector::Collect(const std::vector<PolicyRule>& policy, const CancelToken& cancel) {
  RETURN_IF_ERROR(ledger_.Sweep().status());
  for (const PolicyRule& rule : policy) {
    RETURN_IF_ERROR(Prune(
        rule, [](const Record&) {}, cancel));
  }
  return absl::OkStatus();
}

std::vector<PolicyRule> DefaultPolicy(uint64_t disk_bytes) {
  constexpr uint64_t kGigabyte = 1'000'000'000;
  const uint64_t reserved = std::min(Percent(disk_bytes, 10), 10 * kGigabyte);
  const uint64_t max_used = std::min(Percent(disk_bytes, 80), 100 * kGigabyte);
  const uint64_t min_free = Percent(disk_bytes, 20);
  const PolicyRule easily_made = {.keep_duration = absl::Hours(48),
                                  .max_used_space = 512'000'000,
                                  .filters = {"type==source.local", "type==source.git.checkout"}};
  const PolicyRule cache_mounts = {.keep_duration = absl::Hours(24 * 14),
                                   .reserved_space = reserved,
                                   .max_used_space = max_used,
                                   .min_free_space = min_free,
                                   .filters = {"type==exec.cachemount"}};
  PolicyRule unused = {.keep_duration = absl::Hours(24 * 60),
                       .reserved_space = reserved,
                       .max_used_space = max_used,
                       .min_free_space = min_free};
  PolicyRule within_limits = unused;
  within_limits.keep_duration = absl::ZeroDuration();
  PolicyRule all = within_limits;
  all.all = true;
  return {easily_made, cache_mounts, unused, within_limits, all};
}

}  // namespace cairn::gc

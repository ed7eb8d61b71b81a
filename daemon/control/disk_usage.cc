#include "daemon/control/disk_usage.h"

#include <algorithm>

#include "daemon/control/timestamps.h"

namespace cairn::control {
namespace {

uint64_t NotNegative(int64_t value) { return static_cast<uint64_t>(std::max<int64_t>(value, 0)); }

}  // namespace

void EncodeUsage(const gc::Record& record, moby::buildkit::v1::UsageRecord* out) {
  out->set_id(record.id);
  out->set_mutable_(record.is_mutable);
  out->set_inuse(record.in_use);
  out->set_size(static_cast<int64_t>(record.size));
  EncodeTime(record.created, out->mutable_createdat());
  if (record.last_used.has_value()) {
    EncodeTime(*record.last_used, out->mutable_lastusedat());
  }
  out->set_usagecount(record.usage_count);
  out->set_description(record.description);
  const string_view type = gc::RecordTypeName(record.type);
  out->set_recordtype(type.data(), type.size());
  out->set_shared(record.shared);
  out->mutable_parents()->Add(record.parents.begin(), record.parents.end());
}

Status ListUsage(gc::Ledger& ledger, const Clock& clock,
                 const moby::buildkit::v1::DiskUsageRequest& request,
                 moby::buildkit::v1::DiskUsageResponse* response) {
  ASSIGN_OR_RETURN(const gc::Filter filter,
                   gc::Filter::Parse({request.filter().begin(), request.filter().end()}));
  ASSIGN_OR_RETURN(const std::vector<gc::Record> records, ledger.List());
  const absl::Time newest = request.agelimit() > 0
                                ? clock.Now() - absl::Nanoseconds(request.agelimit())
                                : absl::InfiniteFuture();
  for (const gc::Record& record : records) {
    if (filter.Matches(record) && record.last_used.value_or(record.created) <= newest) {
      EncodeUsage(record, response->add_record());
    }
  }
  return absl::OkStatus();
}

gc::PolicyRule DecodePruneRule(const moby::buildkit::v1::PruneRequest& request) {
  gc::PolicyRule rule;
  rule.all = request.all();
  rule.keep_duration = absl::Nanoseconds(std::max<int64_t>(request.keepduration(), 0));
  rule.reserved_space = NotNegative(request.reservedspace());
  rule.max_used_space = NotNegative(request.maxusedspace());
  rule.min_free_space = NotNegative(request.minfreespace());
  rule.filters.assign(request.filter().begin(), request.filter().end());
  return rule;
}

}  // namespace cairn::control

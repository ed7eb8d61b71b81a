// DiskUsage and Prune: the ledger's records on the wire.
#pragma once

#include "cache/gc/collector.h"
#include "cache/gc/ledger.h"
#include "proto/control.pb.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"

namespace cairn::control {

void EncodeUsage(const gc::Record& record, moby::buildkit::v1::UsageRecord* out);

// Lists the records that pass the request's filters and have not been used for its age limit.
Status ListUsage(gc::Ledger& ledger, const Clock& clock,
                 const moby::buildkit::v1::DiskUsageRequest& request,
                 moby::buildkit::v1::DiskUsageResponse* response);

gc::PolicyRule DecodePruneRule(const moby::buildkit::v1::PruneRequest& request);

}  // namespace cairn::control

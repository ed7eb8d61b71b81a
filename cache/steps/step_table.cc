#include "cache/steps/step_table.h"

#include "cache/steps/record_codec.h"
#include "runtime/base/fault_point.h"

namespace cairn::steps {
namespace {

using blob::Table;

// Whether the delta's root is there. That says that all of it is: the ledger and its sweep remove a
// directory before what is in it.
StatusOr<bool> HasDelta(blob::Database& database, const layer::Layer& layer) {
  ASSIGN_OR_RETURN(const auto entry, database.FindSize(Table::kObjects, layer.delta.digest.raw()));
  return entry.has_value();
}

}  // namespace

StatusOr<std::optional<StepRecord>> StepTable::Find(const Digest& key) {
  ASSIGN_OR_RETURN(const auto bytes, database_.Get(Table::kSteps, key.raw()));
  if (!bytes.has_value()) {
    return std::optional<StepRecord>();
  }
  StatusOr<StepRecord> record = DecodeRecord(*bytes);
  if (!record.ok()) {
    // A record that cannot be read is none: the step runs and writes it anew.
    return std::optional<StepRecord>();
  }
  for (const StepOutput& output : record->outputs) {
    for (const layer::Layer& layer : output.layers) {
      ASSIGN_OR_RETURN(const bool present, HasDelta(database_, layer));
      if (!present) {
        return std::optional<StepRecord>();
      }
    }
  }
  return std::optional<StepRecord>(*std::move(record));
}

Status StepTable::Insert(const Digest& key, string_view preimage, const StepRecord& record) {
  CAIRN_FAULT_POINT("steps.insert");
  blob::WriteBatch batch;
  batch.Put(Table::kSteps, key.raw(), EncodeRecord(record));
  batch.Put(Table::kPreimages, key.raw(), preimage);
  RETURN_IF_ERROR(database_.Commit(batch, /*sync=*/false));
  CAIRN_FAULT_POINT("steps.inserted");
  return absl::OkStatus();
}

Status StepTable::Erase(const Digest& key) { return database_.Delete(Table::kSteps, key.raw()); }

Status StepTable::Evict(const Digest& key, absl::Time now) {
  CAIRN_FAULT_POINT("steps.evict");
  return database_.Put(Table::kSteps, key.raw(), EncodeEviction(now));
}

StatusOr<std::optional<absl::Time>> StepTable::FindEviction(const Digest& key) {
  ASSIGN_OR_RETURN(const auto bytes, database_.Get(Table::kSteps, key.raw()));
  return bytes.has_value() ? DecodeEviction(*bytes) : std::nullopt;
}

Status StepTable::ForgetEvictions(absl::Time limit) {
  blob::WriteBatch batch;
  RETURN_IF_ERROR(database_.Scan(Table::kSteps, "", [&](string_view key, string_view value) {
    const std::optional<absl::Time> evicted = DecodeEviction(value);
    if (evicted.has_value() && *evicted < limit) {
      batch.Delete(Table::kSteps, key);
      batch.Delete(Table::kPreimages, key);
    }
    return true;
  }));
  return database_.Commit(batch, /*sync=*/false);
}

StatusOr<std::optional<std::string>> StepTable::FindPreimage(const Digest& key) {
  return database_.Get(Table::kPreimages, key.raw());
}

}  // namespace cairn::steps

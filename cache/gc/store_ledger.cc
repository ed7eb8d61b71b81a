#include "cache/gc/store_ledger.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cache/blob/meta_keys.h"
#include "cache/gc/owned_directories.h"
#include "runtime/base/fault_point.h"

namespace cairn::gc {

using blob::Table;

string_view RecordTypeName(RecordType type) {
  switch (type) {
    case RecordType::kInternal:
      return "internal";
    case RecordType::kFrontend:
      return "frontend";
    case RecordType::kSourceLocal:
      return "source.local";
    case RecordType::kGitCheckout:
      return "source.git.checkout";
    case RecordType::kCacheMount:
      return "exec.cachemount";
    case RecordType::kRegular:
      break;
  }
  return "regular";
}

StatusOr<std::unique_ptr<Ledger>> Ledger::Open(blob::Database& database, tree::TreeStore& trees,
                                               const Clock& clock) {
  auto ledger = std::make_unique<StoreLedger>(database, trees, nullptr, clock);
  RETURN_IF_ERROR(ledger->Start());
  return ledger;
}

StatusOr<std::unique_ptr<Ledger>> Ledger::Open(blob::Database& database, tree::TreeStore& trees) {
  auto own_clock = std::make_unique<SystemClock>();
  const Clock& clock = *own_clock;
  auto ledger = std::make_unique<StoreLedger>(database, trees, std::move(own_clock), clock);
  RETURN_IF_ERROR(ledger->Start());
  return ledger;
}

Status StoreLedger::Start() {
  {
    MutexLock usage(usage_mu_);
    ASSIGN_OR_RETURN(const auto order, database_.Get(Table::kMeta, blob::kMetaUseOrder));
    if (order.has_value() && !absl::SimpleAtoi(*order, &next_order_)) {
      return absl::DataLossError("the ledger's use order is malformed");
    }
  }
  {
    MutexLock change(change_mu_);
    ASSIGN_OR_RETURN(const auto number, database_.Get(Table::kMeta, blob::kMetaRecordNumber));
    if (number.has_value() && !absl::SimpleAtoi(*number, &next_number_)) {
      return absl::DataLossError("the ledger's record number is malformed");
    }
  }
  blob::BlobStore& blobs = trees_.blobs();
  AddDerived({.identity = "variants:",
              .type = RecordType::kInternal,
              .description = "stored files with the metadata of several trees",
              .bytes = [&blobs] { return blobs.VariantBytes(); },
              .remove = [&blobs](uint64_t) { return blobs.RemoveVariants(); }});
  return RemoveDoomedDirectories(database_, [this](const std::string& path) -> StatusOr<bool> {
    ASSIGN_OR_RETURN(const std::vector<StoredRecord> records, LoadAll());
    return std::any_of(records.begin(), records.end(), [&](const StoredRecord& record) {
      const std::vector<std::string>& owned = record.draft.directories;
      return std::find(owned.begin(), owned.end(), path) != owned.end();
    });
  });
}

StatusOr<std::optional<StoredRecord>> StoreLedger::Find(const std::string& identity) {
  ASSIGN_OR_RETURN(const auto bytes, database_.Get(Table::kRecords, IdentityKey(identity)));
  if (!bytes.has_value()) {
    return std::optional<StoredRecord>();
  }
  ASSIGN_OR_RETURN(const RecordNumber number, DecodeNumber(*bytes));
  return Load(number);
}

StatusOr<std::optional<StoredRecord>> StoreLedger::Load(RecordNumber number) {
  ASSIGN_OR_RETURN(const auto bytes, database_.Get(Table::kRecords, RecordKey(number)));
  if (!bytes.has_value()) {
    return std::optional<StoredRecord>();
  }
  ASSIGN_OR_RETURN(StoredRecord record, DecodeStoredRecord(*bytes));
  return std::optional<StoredRecord>(std::move(record));
}

StatusOr<std::vector<StoredRecord>> StoreLedger::LoadAll() {
  std::vector<StoredRecord> records;
  Status failure;
  RETURN_IF_ERROR(database_.Scan(Table::kRecords, "n", [&](string_view, string_view value) {
    StatusOr<StoredRecord> record = DecodeStoredRecord(value);
    failure.Update(record.status());
    if (record.ok()) {
      records.push_back(*std::move(record));
    }
    return failure.ok();
  }));
  RETURN_IF_ERROR(failure);
  return records;
}

Status StoreLedger::Add(const RecordDraft& draft, const blob::WriteBatch& together) {
  {
    MutexLock lock(mu_);
    while (removing_.contains(draft.identity)) {
      removal_ended_.Wait(mu_);
    }
  }
  std::vector<DeadBlob> dead;
  {
    // What is looked at here stays until the batch that names it is committed.
    const std::unique_ptr<blob::Hold> hold = trees_.blobs().NewHold();
    MutexLock change(change_mu_);
    ASSIGN_OR_RETURN(dead, AddOrReplace(draft, together));
  }
  trees_.blobs().MakeDurableSoon();
  return RemoveUnnamed(dead).status();
}

StatusOr<std::vector<DeadBlob>> StoreLedger::AddOrReplace(const RecordDraft& draft,
                                                          const blob::WriteBatch& together) {
  ASSIGN_OR_RETURN(const auto replaced, Find(draft.identity));
  StoredRecord record = {.number = replaced.has_value() ? replaced->number : next_number_++,
                         .size = replaced.has_value() ? replaced->size : 0,
                         .created = clock_.Now(),
                         .draft = draft};
  const std::string context = absl::StrCat("record ", draft.identity);
  ReferenceGraph graph(database_, trees_);
  RETURN_IF_ERROR_IN(ChangeRoots(graph, record, replaced), context);

  blob::WriteBatch batch;
  graph.AppendTo(batch);
  RETURN_IF_ERROR_IN(AppendSizes(graph, record.number, batch), context);
  const auto own_change = graph.size_changes().find(record.number);
  if (own_change != graph.size_changes().end()) {
    record.size += static_cast<uint64_t>(own_change->second);
  }
  batch.Put(Table::kRecords, RecordKey(record.number), EncodeStoredRecord(record));
  batch.Put(Table::kRecords, IdentityKey(draft.identity), EncodeNumber(record.number));
  batch.Delete(Table::kRecords, MeasureKey(record.number));
  if (!replaced.has_value()) {
    batch.Put(Table::kMeta, blob::kMetaRecordNumber, absl::StrCat(next_number_));
  }
  batch.Append(together);
  CAIRN_FAULT_POINT("gc.add");
  RETURN_IF_ERROR_IN(database_.Commit(batch, /*sync=*/false), context);
  CAIRN_FAULT_POINT("gc.added");
  RETURN_IF_ERROR(NoteUse(record.number, /*counts=*/false));
  return graph.dead();
}

Status StoreLedger::ChangeRoots(ReferenceGraph& graph, const StoredRecord& record,
                                const std::optional<StoredRecord>& replaced) {
  const RecordDraft& draft = record.draft;
  for (const Digest& digest : draft.trees) {
    RETURN_IF_ERROR(graph.AddRoot(record.number, digest, /*is_directory=*/true));
  }
  for (const Digest& digest : draft.blobs) {
    RETURN_IF_ERROR(graph.AddRoot(record.number, digest, /*is_directory=*/false));
  }
  if (!replaced.has_value()) {
    return absl::OkStatus();
  }
  absl::flat_hash_set<Digest> roots(draft.trees.begin(), draft.trees.end());
  roots.insert(draft.blobs.begin(), draft.blobs.end());
  for (const auto* old_roots : {&replaced->draft.trees, &replaced->draft.blobs}) {
    for (const Digest& digest : *old_roots) {
      if (!roots.contains(digest)) {
        RETURN_IF_ERROR(graph.RemoveRoot(record.number, digest));
      }
    }
  }
  return graph.Settle(record.number);
}

Status StoreLedger::AppendSizes(const ReferenceGraph& graph, RecordNumber changed,
                                blob::WriteBatch& batch) {
  for (const auto& [number, change] : graph.size_changes()) {
    if (number == changed || change == 0) {
      continue;
    }
    ASSIGN_OR_RETURN(auto record, Load(number));
    if (record.has_value()) {
      record->size += static_cast<uint64_t>(change);
      batch.Put(Table::kRecords, RecordKey(number), EncodeStoredRecord(*record));
    }
  }
  return absl::OkStatus();
}

void StoreLedger::AddDerived(Derived derived) {
  derived_.push_back(std::make_unique<Derived>(std::move(derived)));
}

void StoreLedger::OnRemove(std::string identity_prefix,
                           std::function<Status(const std::string& identity)> forget) {
  MutexLock lock(mu_);
  forgetters_.emplace_back(std::move(identity_prefix), std::move(forget));
}

StatusOr<bool> StoreLedger::Use(const std::string& identity) {
  {
    MutexLock lock(mu_);
    if (removing_.contains(identity)) {
      return false;
    }
    // From here on nobody begins to remove it.
    ++in_use_[identity];
  }
  StatusOr<bool> used = [&]() -> StatusOr<bool> {
    ASSIGN_OR_RETURN(const auto bytes, database_.Get(Table::kRecords, IdentityKey(identity)));
    if (!bytes.has_value()) {
      return false;
    }
    ASSIGN_OR_RETURN(const RecordNumber number, DecodeNumber(*bytes));
    RETURN_IF_ERROR(NoteUse(number, /*counts=*/true));
    return true;
  }();
  if (!used.ok() || !*used) {
    MutexLock lock(mu_);
    if (--in_use_[identity] == 0) {
      in_use_.erase(identity);
    }
  }
  return used;
}

void StoreLedger::EndUse(const std::string& identity) {
  const StatusOr<std::optional<StoredRecord>> record = Find(identity);
  if (record.ok() && record->has_value()) {
    // That it was used until now is worth no failure.
    NoteUse((*record)->number, /*counts=*/false).IgnoreError();
  }
  MutexLock lock(mu_);
  if (--in_use_[identity] == 0) {
    in_use_.erase(identity);
  }
}

Status StoreLedger::NoteUse(RecordNumber number, bool counts) {
  MutexLock usage_lock(usage_mu_);
  ASSIGN_OR_RETURN(const auto bytes, database_.Get(Table::kRecords, UsageKey(number)));
  Usage usage;
  if (bytes.has_value()) {
    ASSIGN_OR_RETURN(usage, DecodeUsage(*bytes));
    usage.last_used = clock_.Now();
  }
  usage.count += counts ? 1 : 0;
  usage.order = next_order_++;
  blob::WriteBatch batch;
  batch.Put(Table::kRecords, UsageKey(number), EncodeUsage(usage));
  batch.Put(Table::kMeta, blob::kMetaUseOrder, absl::StrCat(next_order_));
  // A use may change what is in the record's directories.
  batch.Delete(Table::kRecords, MeasureKey(number));
  return database_.Commit(batch, /*sync=*/false);
}

StatusOr<Usage> StoreLedger::LoadUsage(RecordNumber number) {
  ASSIGN_OR_RETURN(const auto bytes, database_.Get(Table::kRecords, UsageKey(number)));
  return bytes.has_value() ? DecodeUsage(*bytes) : Usage();
}

bool StoreLedger::InUse(const std::string& identity) {
  MutexLock lock(mu_);
  return in_use_.contains(identity);
}

StatusOr<uint64_t> StoreLedger::DirectoryBytes(const StoredRecord& stored, bool in_use) {
  if (stored.draft.directories.empty()) {
    return 0;
  }
  const std::string key = MeasureKey(stored.number);
  ASSIGN_OR_RETURN(const auto measured, database_.Get(Table::kRecords, key));
  uint64_t bytes = 0;
  if (measured.has_value() && absl::SimpleAtoi(*measured, &bytes)) {
    return bytes;
  }
  if (in_use) {
    return 0;  // it is changing
  }
  bytes = 0;
  for (const std::string& path : stored.draft.directories) {
    ASSIGN_OR_RETURN(const uint64_t measure, MeasureDirectory(path));
    bytes += measure;
  }
  if (!InUse(stored.draft.identity)) {
    RETURN_IF_ERROR(database_.Put(Table::kRecords, key, absl::StrCat(bytes)));
  }
  return bytes;
}

StatusOr<Record> StoreLedger::Describe(const StoredRecord& stored) {
  ASSIGN_OR_RETURN(const Usage usage, LoadUsage(stored.number));
  Record record = {.id = RecordId(stored),
                   .identity = stored.draft.identity,
                   .type = stored.draft.type,
                   .description = stored.draft.description,
                   .is_mutable = stored.draft.is_mutable,
                   .in_use = InUse(stored.draft.identity),
                   .created = stored.created,
                   .last_used = usage.last_used,
                   .usage_count = usage.count,
                   .use_order = usage.order};
  ASSIGN_OR_RETURN(const uint64_t directories, DirectoryBytes(stored, record.in_use));
  record.size = stored.size + directories;
  ReferenceGraph graph(database_, trees_);
  for (const auto* roots : {&stored.draft.trees, &stored.draft.blobs}) {
    for (const Digest& root : *roots) {
      if (!record.shared) {
        ASSIGN_OR_RETURN(record.shared, graph.IsShared(stored.number, root));
      }
    }
  }
  for (const std::string& parent : stored.draft.parents) {
    ASSIGN_OR_RETURN(const auto found, Find(parent));
    if (found.has_value()) {
      record.parents.push_back(RecordId(*found));
    }
  }
  return record;
}

StatusOr<std::vector<Record>> StoreLedger::List() {
  ASSIGN_OR_RETURN(const std::vector<StoredRecord> stored, LoadAll());
  std::vector<Record> records;
  for (const StoredRecord& record : stored) {
    ASSIGN_OR_RETURN(Record described, Describe(record));
    records.push_back(std::move(described));
  }
  for (const auto& derived : derived_) {
    ASSIGN_OR_RETURN(const uint64_t bytes, derived->bytes());
    if (bytes > 0) {
      records.push_back({.id = RecordId({.draft = {.identity = derived->identity}}),
                         .identity = derived->identity,
                         .type = derived->type,
                         .description = derived->description,
                         .size = bytes,
                         .created = clock_.Now()});
    }
  }
  return records;
}

StatusOr<uint64_t> StoreLedger::TotalBytes() {
  uint64_t total = 0;
  ASSIGN_OR_RETURN(const std::vector<StoredRecord> stored, LoadAll());
  for (const StoredRecord& record : stored) {
    ASSIGN_OR_RETURN(const uint64_t directories,
                     DirectoryBytes(record, InUse(record.draft.identity)));
    total += record.size + directories;
  }
  for (const auto& derived : derived_) {
    ASSIGN_OR_RETURN(const uint64_t bytes, derived->bytes());
    total += bytes;
  }
  return total;
}

Status UseOrAdd(Ledger& ledger, Lease& lease, const RecordDraft& draft) {
  ASSIGN_OR_RETURN(bool in_use, lease.Use(draft.identity));
  while (!in_use) {
    RETURN_IF_ERROR(ledger.Add(draft));
    ASSIGN_OR_RETURN(in_use, lease.Use(draft.identity));  // unless it was pruned just now
  }
  return absl::OkStatus();
}

}  // namespace cairn::gc

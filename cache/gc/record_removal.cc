// The half of StoreLedger that makes things go: removal of records and of blobs, sweeps, leases.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/gc/orphans.h"
#include "cache/gc/owned_directories.h"
#include "cache/gc/store_ledger.h"
#include "runtime/base/fault_point.h"

namespace cairn::gc {
namespace {

using blob::Table;

// So long may somebody who adds a record wait for a removal.
constexpr size_t kChunk = 256;

}  // namespace

class StoreLease final : public Lease {
 public:
  explicit StoreLease(StoreLedger& ledger)
      : ledger_(ledger), hold_(ledger.trees_.blobs().NewHold()) {}

  ~StoreLease() override {
    hold_.reset();
    for (const std::string& identity : used_) {
      ledger_.EndUse(identity);
    }
    // What cannot be removed now is an orphan for the next sweep.
    ledger_.RemoveKept().IgnoreError();
  }

  StatusOr<bool> Use(const std::string& identity) override {
    {
      MutexLock lock(mu_);
      if (std::find(used_.begin(), used_.end(), identity) != used_.end()) {
        return true;
      }
    }
    ASSIGN_OR_RETURN(const bool used, ledger_.Use(identity));
    if (used) {
      MutexLock lock(mu_);
      used_.push_back(identity);
    }
    return used;
  }

 private:
  StoreLedger& ledger_;
  std::unique_ptr<blob::Hold> hold_;
  Mutex mu_;
  std::vector<std::string> used_ ABSL_GUARDED_BY(mu_);
};

std::unique_ptr<Lease> StoreLedger::NewLease() { return std::make_unique<StoreLease>(*this); }

Status StoreLedger::BeginRemoval(const std::string& identity) {
  MutexLock lock(mu_);
  while (removing_.contains(identity)) {
    removal_ended_.Wait(mu_);
  }
  if (in_use_.contains(identity)) {
    return absl::FailedPreconditionError(absl::StrCat("record ", identity, " is in use"));
  }
  removing_.insert(identity);
  return absl::OkStatus();
}

void StoreLedger::EndRemoval(const std::string& identity) {
  MutexLock lock(mu_);
  removing_.erase(identity);
  removal_ended_.NotifyAll();
}

Status StoreLedger::Forget(const std::string& identity) {
  std::vector<std::function<Status(const std::string&)>> forgetters;
  {
    MutexLock lock(mu_);
    for (const auto& [prefix, forget] : forgetters_) {
      if (absl::StartsWith(identity, prefix)) {
        forgetters.push_back(forget);
      }
    }
  }
  for (const auto& forget : forgetters) {
    RETURN_IF_ERROR(forget(identity));
  }
  return absl::OkStatus();
}

const Derived* StoreLedger::FindDerived(const std::string& identity) {
  for (const auto& derived : derived_) {
    if (derived->identity == identity) {
      return derived.get();
    }
  }
  return nullptr;
}

StatusOr<uint64_t> StoreLedger::Remove(const std::string& identity) {
  if (const Derived* derived = FindDerived(identity)) {
    return derived->remove(UINT64_MAX);
  }
  RETURN_IF_ERROR(BeginRemoval(identity));
  const StatusOr<uint64_t> removed = RemoveRecord(identity);
  EndRemoval(identity);
  return removed;
}

StatusOr<uint64_t> StoreLedger::RemoveRecord(const std::string& identity) {
  const std::string context = absl::StrCat("remove record ", identity);
  std::optional<StoredRecord> record;
  std::vector<DeadBlob> dead;
  uint64_t bytes = 0;
  {
    ASSIGN_OR_RETURN(record, Find(identity));
    if (!record.has_value()) {
      return absl::NotFoundError(absl::StrCat(context, ": not found"));
    }
    RETURN_IF_ERROR_IN(Forget(identity), context);
    CAIRN_FAULT_POINT("gc.forgotten");
    ASSIGN_OR_RETURN(bytes, DirectoryBytes(*record, /*in_use=*/false));
  }
  {
    MutexLock change(change_mu_);
    // Again, as another record's change may have changed its size.
    ASSIGN_OR_RETURN(record, Find(identity));
    if (!record.has_value()) {
      return absl::NotFoundError(absl::StrCat(context, ": not found"));
    }
    ReferenceGraph graph(database_, trees_);
    for (const auto* roots : {&record->draft.trees, &record->draft.blobs}) {
      for (const Digest& digest : *roots) {
        RETURN_IF_ERROR_IN(graph.RemoveRoot(record->number, digest), context);
      }
    }
    RETURN_IF_ERROR_IN(graph.Settle(record->number), context);
    blob::WriteBatch batch;
    graph.AppendTo(batch);
    RETURN_IF_ERROR_IN(AppendSizes(graph, record->number, batch), context);
    batch.Delete(Table::kRecords, IdentityKey(identity));
    batch.Delete(Table::kRecords, RecordKey(record->number));
    batch.Delete(Table::kRecords, UsageKey(record->number));
    batch.Delete(Table::kRecords, MeasureKey(record->number));
    for (const std::string& path : record->draft.directories) {
      DoomDirectory(path, record->number, batch);
    }
    CAIRN_FAULT_POINT("gc.remove");
    RETURN_IF_ERROR_IN(database_.Commit(batch, /*sync=*/!record->draft.directories.empty()),
                       context);
    CAIRN_FAULT_POINT("gc.removed");
    for (const std::string& path : record->draft.directories) {
      RETURN_IF_ERROR_IN(MoveDoomedDirectory(path, record->number), context);
    }
    dead = graph.dead();
  }
  ASSIGN_OR_RETURN_IN(const uint64_t blob_bytes, RemoveUnnamed(dead), context);
  for (const std::string& path : record->draft.directories) {
    RETURN_IF_ERROR_IN(RemoveDoomedDirectory(database_, path, record->number), context);
  }
  return bytes + blob_bytes;
}

StatusOr<uint64_t> StoreLedger::RemoveUnnamed(const std::vector<DeadBlob>& blobs) {
  uint64_t bytes = 0;
  for (size_t start = 0; start < blobs.size(); start += kChunk) {
    const size_t end = std::min(start + kChunk, blobs.size());
    // Within one change: nobody adds a record that names one of them in between.
    MutexLock change(change_mu_);
    ReferenceGraph graph(database_, trees_);
    std::vector<Digest> unnamed;
    absl::flat_hash_map<Digest, bool> is_directory;
    for (size_t i = start; i < end; ++i) {
      ASSIGN_OR_RETURN(const bool named, graph.HasNode(blobs[i].digest));
      if (!named) {
        unnamed.push_back(blobs[i].digest);
        is_directory.emplace(blobs[i].digest, blobs[i].is_directory);
      }
    }
    const auto keep = [&](const Digest& digest) {
      const bool directory = is_directory[digest];
      {
        MutexLock lock(mu_);
        kept_.push_back({.digest = digest, .is_directory = directory});
      }
      if (directory) {
        KeepBelow(digest);
      }
    };
    ASSIGN_OR_RETURN(const uint64_t removed, trees_.blobs().Remove(unnamed, keep));
    bytes += removed;
  }
  return bytes;
}

void StoreLedger::KeepBelow(const Digest& directory) {
  absl::flat_hash_set<Digest> seen = {directory};
  std::vector<Digest> to_visit = {directory};
  while (!to_visit.empty()) {
    const Digest current = to_visit.back();
    to_visit.pop_back();
    const StatusOr<tree::Directory> loaded = PeekDirectory(trees_.blobs(), current);
    if (!loaded.ok()) {
      continue;  // its holder will find it damaged, too
    }
    for (const tree::Entry& entry : loaded->entries) {
      if (entry.file.has_value()) {
        trees_.blobs().Touch(*entry.file);
      } else if (entry.directory.has_value() && seen.insert(entry.directory->digest).second) {
        trees_.blobs().Touch(entry.directory->digest);
        to_visit.push_back(entry.directory->digest);
      }
    }
  }
}

StatusOr<uint64_t> StoreLedger::RemoveKept() {
  std::vector<DeadBlob> kept;
  {
    MutexLock lock(mu_);
    kept.swap(kept_);
  }
  return RemoveUnnamed(kept);
}

StatusOr<uint64_t> StoreLedger::RemoveLost() {
  ASSIGN_OR_RETURN(const std::vector<Digest> lost, trees_.blobs().LostBlobs());
  uint64_t bytes = 0;
  for (const Digest& digest : lost) {
    std::vector<RecordNumber> reaching;
    {
      MutexLock change(change_mu_);
      ReferenceGraph graph(database_, trees_);
      ASSIGN_OR_RETURN(const bool stored, trees_.blobs().Contains(digest));
      if (!stored) {
        ASSIGN_OR_RETURN(reaching, graph.RecordsReaching(digest));
      }
    }
    for (const RecordNumber number : reaching) {
      ASSIGN_OR_RETURN(const auto record, Load(number));
      if (!record.has_value()) {
        continue;
      }
      const StatusOr<uint64_t> removed = Remove(record->draft.identity);
      if (removed.ok()) {
        bytes += *removed;
      } else if (!absl::IsNotFound(removed.status())) {
        return removed.status();
      }
    }
  }
  RETURN_IF_ERROR(trees_.blobs().ForgetLostBlobs());
  return bytes;
}

StatusOr<uint64_t> StoreLedger::Sweep() {
  ASSIGN_OR_RETURN_IN(uint64_t bytes, RemoveLost(), "sweep");
  ASSIGN_OR_RETURN_IN(const uint64_t kept, RemoveKept(), "sweep");
  bytes += kept;
  ASSIGN_OR_RETURN_IN(const std::vector<DeadBlob> orphans, FindOrphans(database_, trees_.blobs()),
                      "sweep");
  ASSIGN_OR_RETURN_IN(const uint64_t removed, RemoveUnnamed(orphans), "sweep");
  bytes += removed;
  bool look_for_strays = false;
  {
    MutexLock change(change_mu_);
    look_for_strays = !std::exchange(strays_removed_, true);
  }
  if (look_for_strays) {
    // Only a crash leaves them, so once in a process's life is enough.
    ASSIGN_OR_RETURN_IN(const uint64_t strays, trees_.blobs().RemoveStrays(), "sweep");
    bytes += strays;
  }
  return bytes;
}

}  // namespace cairn::gc

#include "cache/blob/durability.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cache/blob/meta_keys.h"
#include "runtime/base/fault_point.h"
#include "runtime/base/thread_pool.h"

namespace cairn::blob {
namespace {

constexpr absl::Duration kDelay = absl::Seconds(5);
constexpr size_t kFewFiles = 64;

StatusOr<Digest> DigestOfFile(int fd) {
  constexpr uint64_t kChunk = 1 << 20;
  Hasher hasher;
  for (uint64_t offset = 0;;) {
    ASSIGN_OR_RETURN(const std::string chunk, ReadAt(fd, offset, kChunk));
    if (chunk.empty()) {
      return hasher.Finish();
    }
    hasher.Update(chunk);
    offset += chunk.size();
  }
}

struct UnsyncedEntry {
  ObjectName name;
  uint64_t epoch;
};

// The entries in `table` of an epoch after `durable_epoch`.
StatusOr<std::vector<UnsyncedEntry>> UnsyncedEntries(Database& database, Table table,
                                                     uint64_t durable_epoch) {
  std::vector<UnsyncedEntry> unsynced;
  Status failure;
  RETURN_IF_ERROR(database.Scan(table, "", [&](string_view key, string_view value) {
    const StatusOr<ObjectEntry> entry = ObjectEntry::Decode(value);
    const StatusOr<ObjectName> name = ObjectName::FromKey(key);
    failure.Update(entry.status());
    failure.Update(name.status());
    if (failure.ok() && !entry->in_database && entry->epoch > durable_epoch) {
      unsynced.push_back({*name, entry->epoch});
    }
    return failure.ok();
  }));
  RETURN_IF_ERROR(failure);
  return unsynced;
}

StatusOr<bool> Matches(ObjectFiles& files, const ObjectName& name) {
  const StatusOr<UniqueFd> fd = files.OpenFile(name);
  if (!fd.ok()) {
    return false;
  }
  ASSIGN_OR_RETURN(const Digest digest, DigestOfFile(fd->get()));
  return digest == name.digest;
}

}  // namespace

StatusOr<uint64_t> VerifyUnsynced(Database& database, ObjectFiles& files, uint64_t durable_epoch) {
  WriteBatch batch;
  uint64_t newest = durable_epoch;
  ASSIGN_OR_RETURN(const auto objects, UnsyncedEntries(database, Table::kObjects, durable_epoch));
  for (const auto& [name, epoch] : objects) {
    newest = std::max(newest, epoch);
    const StatusOr<bool> matches = Matches(files, name);
    if (!matches.ok() || !*matches) {
      batch.Delete(Table::kObjects, name.key());
      batch.Put(Table::kMeta, absl::StrCat(kMetaLostPrefix, name.digest.raw()), "");
    }
  }
  ASSIGN_OR_RETURN(const auto variants, UnsyncedEntries(database, Table::kVariants, durable_epoch));
  for (const auto& [name, epoch] : variants) {
    newest = std::max(newest, epoch);
    batch.Delete(Table::kVariants, name.key());
  }
  // The files that are left without an entry are removed as strays. What matched may have been read
  // from the page cache alone.
  RETURN_IF_ERROR(files.SyncAll());
  batch.Put(Table::kMeta, kMetaDurableEpoch, absl::StrCat(newest));
  RETURN_IF_ERROR(database.Commit(batch, /*sync=*/true));
  return newest;
}

StatusOr<std::unique_ptr<Durability>> Durability::Open(Database& database, ObjectFiles& files) {
  ASSIGN_OR_RETURN(std::string boot_id, ReadFile("/proc/sys/kernel/random/boot_id", 256));
  boot_id = std::string(absl::StripSuffix(boot_id, "\n"));
  ASSIGN_OR_RETURN(const auto last_boot, database.Get(Table::kMeta, kMetaBootId));
  ASSIGN_OR_RETURN(const auto suspect, database.Get(Table::kMeta, kMetaSuspect));
  ASSIGN_OR_RETURN(const auto clean, database.Get(Table::kMeta, kMetaClean));
  ASSIGN_OR_RETURN(const auto durable, database.Get(Table::kMeta, kMetaDurableEpoch));
  uint64_t durable_epoch = 0;
  if (durable.has_value() && !absl::SimpleAtoi(*durable, &durable_epoch)) {
    return absl::DataLossError("the store's durable epoch is malformed");
  }

  const bool unclean = last_boot.has_value() && !clean.has_value();
  const bool recover = suspect.has_value() || (unclean && *last_boot != boot_id);
  if (recover) {
    ASSIGN_OR_RETURN(durable_epoch, VerifyUnsynced(database, files, durable_epoch));
  }
  WriteBatch batch;
  batch.Put(Table::kMeta, kMetaBootId, boot_id);
  batch.Delete(Table::kMeta, kMetaSuspect);
  batch.Delete(Table::kMeta, kMetaClean);
  RETURN_IF_ERROR(database.Commit(batch, /*sync=*/true));
  auto durability =
      std::unique_ptr<Durability>(new Durability(database, files, durable_epoch, recover));
  if (unclean) {
    durability->InheritUnsynced();
  }
  durability->thread_ = StartThread("cairn-sync", [&self = *durability] { self.RunThread(); });
  return durability;
}

void Durability::InheritUnsynced() {
  MutexLock lock(mu_);
  unknown_written_ = true;
}

Durability::~Durability() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
  if (MakeDurable().ok()) {
    database_.Put(Table::kMeta, kMetaClean, "", /*sync=*/true).IgnoreError();
  }
}

uint64_t Durability::EpochForEntry(const ObjectName& name) {
  MutexLock lock(mu_);
  if (written_.size() <= kFewFiles) {
    written_.push_back(name);
  }
  if (!wanted_soon_) {
    wanted_soon_ = true;
    changed_.NotifyAll();
  }
  return epoch_;
}

void Durability::MakeDurableSoon() {
  MutexLock lock(mu_);
  if (!wanted_soon_) {
    wanted_soon_ = true;
    changed_.NotifyAll();
  }
}

Status Durability::MakeDurable() {
  uint64_t epoch = 0;
  std::vector<ObjectName> written;
  bool all = false;
  {
    MutexLock lock(mu_);
    const uint64_t needed = epoch_;
    while (syncing_) {
      changed_.Wait(mu_);
    }
    RETURN_IF_ERROR(failure_);
    wanted_soon_ = false;
    if (durable_epoch_ < needed && (unknown_written_ || !written_.empty())) {
      epoch = epoch_++;
      written.swap(written_);
      all = std::exchange(unknown_written_, false) || written.size() > kFewFiles;
      syncing_ = true;
    }
  }
  if (epoch == 0) {
    return database_.Flush();
  }
  const Status synced = SyncFiles(all ? nullptr : &written);
  const Status recorded = synced.ok() ? RecordDurable(epoch) : synced;
  MutexLock lock(mu_);
  syncing_ = false;
  changed_.NotifyAll();
  if (recorded.ok()) {
    durable_epoch_ = epoch;
  } else if (synced.ok()) {
    // The files are safe; a disk that was full for the record may have room for the next one.
    unknown_written_ = true;
  } else {
    failure_ = absl::DataLossError(absl::StrCat(
        "the store cannot be made durable until it is opened anew: ", synced.message()));
  }
  return recorded;
}

Status Durability::SyncFiles(const std::vector<ObjectName>* written) {
  Status synced = [&]() -> Status {
    CAIRN_FAULT_POINT("blob.sync");
    return written != nullptr ? files_.SyncFiles(*written) : files_.SyncAll();
  }();
  if (!synced.ok()) {
    database_.Put(Table::kMeta, kMetaSuspect, synced.message(), /*sync=*/true).IgnoreError();
  }
  return synced;
}

Status Durability::RecordDurable(uint64_t epoch) {
  CAIRN_FAULT_POINT("blob.synced");
  return database_.Put(Table::kMeta, kMetaDurableEpoch, absl::StrCat(epoch), /*sync=*/true);
}

void Durability::RunThread() {
  while (true) {
    {
      MutexLock lock(mu_);
      while (!wanted_soon_ && !stopping_) {
        changed_.Wait(mu_);
      }
      const absl::Time deadline = absl::Now() + kDelay;
      while (!stopping_ && absl::Now() < deadline) {
        changed_.WaitFor(mu_, deadline - absl::Now());
      }
      if (stopping_ || !failure_.ok()) {
        return;
      }
    }
    // A failure to sync is kept, and told to the next who asks for durability; what could not be
    // recorded is tried again by them.
    MakeDurable().IgnoreError();
  }
}

}  // namespace cairn::blob

#include "cache/blob/durability.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cache/blob/meta_keys.h"
#include "runtime/base/fault_point.h"
#include "runtime/base/thread_pool.h"

namespace cairn::blob {
namespace {

constexpr absl::Duration kDelay = absl::Seconds(5);

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

// The names in `table` whose entry is of an epoch after `durable_epoch`.
StatusOr<std::vector<ObjectName>> UnsyncedNames(Database& database, Table table,
                                                uint64_t durable_epoch) {
  std::vector<ObjectName> names;
  Status failure;
  RETURN_IF_ERROR(database.Scan(table, "", [&](string_view key, string_view value) {
    const StatusOr<ObjectEntry> entry = ObjectEntry::Decode(value);
    const StatusOr<ObjectName> name = ObjectName::FromKey(key);
    failure.Update(entry.status());
    failure.Update(name.status());
    if (failure.ok() && !entry->in_database && entry->epoch > durable_epoch) {
      names.push_back(*name);
    }
    return failure.ok();
  }));
  RETURN_IF_ERROR(failure);
  return names;
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

Status VerifyUnsynced(Database& database, ObjectFiles& files, uint64_t durable_epoch) {
  WriteBatch batch;
  ASSIGN_OR_RETURN(const std::vector<ObjectName> objects,
                   UnsyncedNames(database, Table::kObjects, durable_epoch));
  for (const ObjectName& name : objects) {
    const StatusOr<bool> matches = Matches(files, name);
    if (!matches.ok() || !*matches) {
      batch.Delete(Table::kObjects, name.key());
      batch.Put(Table::kMeta, absl::StrCat(kMetaLostPrefix, name.digest.raw()), "");
    }
  }
  ASSIGN_OR_RETURN(const std::vector<ObjectName> variants,
                   UnsyncedNames(database, Table::kVariants, durable_epoch));
  for (const ObjectName& name : variants) {
    batch.Delete(Table::kVariants, name.key());
  }
  // The files that are left without an entry are removed as strays.
  return database.Commit(batch, /*sync=*/true);
}

StatusOr<std::unique_ptr<Durability>> Durability::Open(Database& database, ObjectFiles& files) {
  ASSIGN_OR_RETURN(std::string boot_id, ReadFile("/proc/sys/kernel/random/boot_id", 256));
  boot_id = std::string(absl::StripSuffix(boot_id, "\n"));
  ASSIGN_OR_RETURN(const auto last_boot, database.Get(Table::kMeta, kMetaBootId));
  ASSIGN_OR_RETURN(const auto suspect, database.Get(Table::kMeta, kMetaSuspect));
  ASSIGN_OR_RETURN(const auto durable, database.Get(Table::kMeta, kMetaDurableEpoch));
  uint64_t durable_epoch = 0;
  if (durable.has_value() && !absl::SimpleAtoi(*durable, &durable_epoch)) {
    return absl::DataLossError("the store's durable epoch is malformed");
  }

  const bool verify = suspect.has_value() || (last_boot.has_value() && *last_boot != boot_id);
  bool recovered = false;
  if (verify) {
    ASSIGN_OR_RETURN(const auto objects, UnsyncedNames(database, Table::kObjects, durable_epoch));
    ASSIGN_OR_RETURN(const auto clean, database.Get(Table::kMeta, kMetaClean));
    recovered = suspect.has_value() || !clean.has_value() || !objects.empty();
    RETURN_IF_ERROR(VerifyUnsynced(database, files, durable_epoch));
  }
  WriteBatch batch;
  batch.Put(Table::kMeta, kMetaBootId, boot_id);
  batch.Delete(Table::kMeta, kMetaSuspect);
  batch.Delete(Table::kMeta, kMetaClean);
  RETURN_IF_ERROR(database.Commit(batch, /*sync=*/true));
  auto durability =
      std::unique_ptr<Durability>(new Durability(database, files, durable_epoch, recovered));
  if (verify) {
    durability->EpochForEntry();
    RETURN_IF_ERROR(durability->MakeDurable());
  }
  durability->thread_ = StartThread("cairn-sync", [&self = *durability] { self.RunThread(); });
  return durability;
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

uint64_t Durability::EpochForEntry() {
  MutexLock lock(mu_);
  files_written_ = true;
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
  {
    MutexLock lock(mu_);
    const uint64_t needed = epoch_;
    while (syncing_) {
      changed_.Wait(mu_);
    }
    RETURN_IF_ERROR(failure_);
    wanted_soon_ = false;
    if (durable_epoch_ < needed && files_written_) {
      epoch = epoch_++;
      files_written_ = false;
      syncing_ = true;
    }
  }
  if (epoch == 0) {
    return database_.Flush();
  }
  const Status synced = SyncEpoch(epoch);
  MutexLock lock(mu_);
  syncing_ = false;
  changed_.NotifyAll();
  if (synced.ok()) {
    durable_epoch_ = epoch;
  } else {
    failure_ = absl::DataLossError(absl::StrCat(
        "the store cannot be made durable until it is opened anew: ", synced.message()));
  }
  return synced;
}

Status Durability::SyncEpoch(uint64_t epoch) {
  Status synced = [&]() -> Status {
    CAIRN_FAULT_POINT("blob.sync");
    return files_.Sync();
  }();
  if (!synced.ok()) {
    database_.Put(Table::kMeta, kMetaSuspect, synced.message(), /*sync=*/true).IgnoreError();
    return synced;
  }
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
    // A failure is kept, and told to the next who asks for durability.
    MakeDurable().IgnoreError();
  }
}

}  // namespace cairn::blob

// Durability: what keeps records true across a power loss without a sync for each file.
//
// The page cache outlives the daemon's death, so only the machine's death can lose bytes of files
// whose entry is in the database. Instead of syncing before each entry, entries carry an epoch:
//
//   - MakeDurable ends the running epoch e, syncs the file system once (syncfs(2)), and then
//     records e as durable, with a sync of the database's log.
//   - The kernel's boot id is recorded at start. A start that finds another one verifies every
//     entry of an epoch that was not recorded as durable, by its digest, and drops what does not
//     match (VerifyUnsynced). A sync that failed has the same effect: the kernel may have dropped
//     the pages, and a second sync would lie.
//   - A thread ends the epoch a few seconds after something was written. Who promises durability to
//     somebody outside (a stored image, a finished export) calls MakeDurable itself.
//
// So a crash of any kind leaves a store whose entries are true, a step costs no sync, and a power
// loss costs at most the last seconds of cache. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include "cache/blob/database.h"
#include "cache/blob/object_files.h"
#include "runtime/base/sync.h"

namespace cairn::blob {

class Durability {
 public:
  // Both outlive the object. Verifies what has to be verified.
  static StatusOr<std::unique_ptr<Durability>> Open(Database& database, ObjectFiles& files);
  // Makes everything durable.
  ~Durability();
  Durability(const Durability&) = delete;
  Durability& operator=(const Durability&) = delete;

  // The epoch for the entry of a file whose bytes are written and which is in its place.
  uint64_t EpochForEntry();

  // Everything written before the call is on the disk when this returns OK. After a failure it
  // fails (kDataLoss) until the next start.
  Status MakeDurable();
  // The same, within seconds, by the thread.
  void MakeDurableSoon();

  // Whether the machine went down with files that were not synced since the store was last open.
  bool recovered() const { return recovered_; }

 private:
  Durability(Database& database, ObjectFiles& files, uint64_t durable_epoch, bool recovered)
      : database_(database),
        files_(files),
        recovered_(recovered),
        epoch_(durable_epoch + 1),
        durable_epoch_(durable_epoch) {}
  void RunThread();
  Status SyncEpoch(uint64_t epoch);

  Database& database_;
  ObjectFiles& files_;
  const bool recovered_;

  Mutex mu_;
  CondVar changed_;
  uint64_t epoch_ ABSL_GUARDED_BY(mu_);
  uint64_t durable_epoch_ ABSL_GUARDED_BY(mu_);
  bool files_written_ ABSL_GUARDED_BY(mu_) = false;  // in the running epoch
  bool wanted_soon_ ABSL_GUARDED_BY(mu_) = false;
  bool syncing_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  Status failure_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

// Checks each entry of kObjects of an epoch after `durable_epoch` against its file's bytes; drops
// those that do not match and records their digests for BlobStore::LostBlobs. Drops all such
// variants.
Status VerifyUnsynced(Database& database, ObjectFiles& files, uint64_t durable_epoch);

}  // namespace cairn::blob

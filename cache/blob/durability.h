// Durability: what keeps records true across a power loss without a sync for each file.
//
// The page cache outlives the daemon's death, so only the machine's death can lose bytes of files
// whose entry is in the database. Instead of syncing before each entry, entries carry an epoch:
//
//   - MakeDurable ends the running epoch e, syncs its files (one by one when they are few; with one
//     syncfs(2), which waits for everybody's data, when they are many), and then records e as
//     durable, with a sync of the database's log.
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
#include <vector>

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

  // The epoch for the entry of `name`, whose bytes are written and which is in its place.
  uint64_t EpochForEntry(const ObjectName& name);

  // Everything written before the call is on the disk when this returns OK. After a failure to sync
  // a file it fails (kDataLoss) until the next start; when only the record of it could not be
  // written, the disk being full, the next call tries again.
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
  // Says that files of the running epoch were written by a process before this one.
  void InheritUnsynced();
  // `written` are the epoch's files, null when not all are known.
  Status SyncFiles(const std::vector<ObjectName>* written);
  Status RecordDurable(uint64_t epoch);

  Database& database_;
  ObjectFiles& files_;
  const bool recovered_;

  Mutex mu_;
  CondVar changed_;
  uint64_t epoch_ ABSL_GUARDED_BY(mu_);
  uint64_t durable_epoch_ ABSL_GUARDED_BY(mu_);
  // Files of the running epoch; more than kFewFiles of them stand for any number.
  std::vector<ObjectName> written_ ABSL_GUARDED_BY(mu_);
  bool unknown_written_ ABSL_GUARDED_BY(mu_) = false;  // and others of which no list is kept
  bool wanted_soon_ ABSL_GUARDED_BY(mu_) = false;
  bool syncing_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  Status failure_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

// Checks each entry of kObjects of an epoch after `durable_epoch` against its file's bytes; drops
// those that do not match and records their digests for BlobStore::LostBlobs. Drops all such
// variants. Returns the newest epoch that is durable then.
StatusOr<uint64_t> VerifyUnsynced(Database& database, ObjectFiles& files, uint64_t durable_epoch);

}  // namespace cairn::blob

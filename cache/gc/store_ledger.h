// StoreLedger: the Ledger over the store's database.
//
// Three locks, taken in this order:
//   change_mu_   orders the changes of the reference graph; held across their I/O by design: one
//                change reads what the one before it has written
//   usage_mu_    orders the updates of usages; held across a read and a write of the database
//   mu_          guards what is in memory; a leaf
// Callbacks (OnRemove, Derived) run under none.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "cache/gc/ledger.h"
#include "cache/gc/record_codec.h"
#include "cache/gc/reference_graph.h"
#include "runtime/base/sync.h"

namespace cairn::gc {

class StoreLedger final : public Ledger {
 public:
  StoreLedger(blob::Database& database, tree::TreeStore& trees, std::unique_ptr<Clock> own_clock,
              const Clock& clock)
      : database_(database), trees_(trees), own_clock_(std::move(own_clock)), clock_(clock) {}
  // Reads what has to be in memory and goes on with interrupted removals.
  Status Start();

  std::unique_ptr<Lease> NewLease() override;
  Status Add(const RecordDraft& draft, const blob::WriteBatch& together) override;
  StatusOr<std::vector<Record>> List() override;
  void AddDerived(Derived derived) override;
  void OnRemove(std::string identity_prefix,
                std::function<Status(const std::string& identity)> forget) override;
  StatusOr<uint64_t> Remove(const std::string& identity) override;
  StatusOr<uint64_t> TotalBytes() override;
  StatusOr<uint64_t> Sweep() override;

 private:
  friend class StoreLease;

  // Removal of one identity at a time, by one thread; Add of it waits.
  Status BeginRemoval(const std::string& identity);
  void EndRemoval(const std::string& identity);
  Status Forget(const std::string& identity);
  StatusOr<uint64_t> RemoveRecord(const std::string& identity);
  const Derived* FindDerived(const std::string& identity);

  // The record of `identity`, or nullopt.
  StatusOr<std::optional<StoredRecord>> Find(const std::string& identity);
  StatusOr<std::optional<StoredRecord>> Load(RecordNumber number);
  StatusOr<std::vector<StoredRecord>> LoadAll();
  // Writes the record; returns the blobs that nobody names any more.
  StatusOr<std::vector<DeadBlob>> AddOrReplace(const RecordDraft& draft,
                                               const blob::WriteBatch& together)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mu_);
  Status ChangeRoots(ReferenceGraph& graph, const StoredRecord& record,
                     const std::optional<StoredRecord>& replaced);
  // Adds the new sizes of records other than `changed` to the batch.
  Status AppendSizes(const ReferenceGraph& graph, RecordNumber changed, blob::WriteBatch& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mu_);

  // Removes the blobs that no record names and no lease keeps, in order; those that a lease keeps
  // are looked at again when a lease ends. Returns their bytes.
  StatusOr<uint64_t> RemoveUnnamed(const std::vector<DeadBlob>& blobs);
  // Has the leases keep everything below `directory`.
  void KeepBelow(const Digest& directory);
  StatusOr<uint64_t> RemoveKept();
  StatusOr<uint64_t> RemoveLost();

  // For StoreLease.
  StatusOr<bool> Use(const std::string& identity);
  void EndUse(const std::string& identity);
  Status NoteUse(RecordNumber number, bool counts);
  StatusOr<Usage> LoadUsage(RecordNumber number);
  bool InUse(const std::string& identity);

  StatusOr<Record> Describe(const StoredRecord& stored);
  // Bytes of the record's directories; measures them if they may have changed since.
  StatusOr<uint64_t> DirectoryBytes(const StoredRecord& stored, bool in_use);

  blob::Database& database_;
  tree::TreeStore& trees_;
  const std::unique_ptr<Clock> own_clock_;
  const Clock& clock_;

  Mutex change_mu_;
  RecordNumber next_number_ ABSL_GUARDED_BY(change_mu_) = 1;
  bool strays_removed_ ABSL_GUARDED_BY(change_mu_) = false;

  Mutex usage_mu_;
  uint64_t next_order_ ABSL_GUARDED_BY(usage_mu_) = 1;

  Mutex mu_;
  CondVar removal_ended_;
  absl::flat_hash_map<std::string, int> in_use_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<std::string> removing_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<std::string, std::function<Status(const std::string&)>>> forgetters_
      ABSL_GUARDED_BY(mu_);
  // Blobs without a record that a lease kept, each directory before what is in it.
  std::vector<DeadBlob> kept_ ABSL_GUARDED_BY(mu_);
  // Only added to before the first List.
  std::vector<std::unique_ptr<Derived>> derived_;
};

}  // namespace cairn::gc

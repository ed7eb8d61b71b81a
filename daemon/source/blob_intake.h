// BlobIntake: hashes and stores blobs on threads of its own while its owner receives the next.
//
// Add may be called by one thread; the threads start with the first blob.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cache/blob/blob_store.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::source {

class BlobIntake {
 public:
  // `blobs` outlives it.
  explicit BlobIntake(blob::BlobStore& blobs) : blobs_(blobs) {}
  ~BlobIntake();
  BlobIntake(const BlobIntake&) = delete;
  BlobIntake& operator=(const BlobIntake&) = delete;

  // Stores `data` for `index`, soon; waits while much is under way. The first failure of any comes
  // back from here or from Finish.
  Status Add(size_t index, std::string data);

  // Waits until all are stored; which digest each index has.
  StatusOr<std::vector<std::pair<size_t, Digest>>> Finish();

 private:
  using Batch = std::vector<std::pair<size_t, std::string>>;
  void PostBatch();
  void Store(const Batch& batch, uint64_t bytes);

  blob::BlobStore& blobs_;
  Batch batch_;  // not yet given to the threads
  uint64_t batch_bytes_ = 0;

  Mutex mu_;
  CondVar changed_;
  uint64_t bytes_under_way_ ABSL_GUARDED_BY(mu_) = 0;
  int batches_under_way_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::pair<size_t, Digest>> stored_ ABSL_GUARDED_BY(mu_);
  Status failure_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<ThreadPool> threads_;  // last: ends before what its tasks use
};

}  // namespace cairn::source

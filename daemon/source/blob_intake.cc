#include "daemon/source/blob_intake.h"

namespace cairn::source {
namespace {

constexpr int kThreads = 2;
// What one thread takes at a time, and what may wait for them.
constexpr uint64_t kBatchBytes = 256 << 10;
constexpr size_t kBatchBlobs = 64;
constexpr uint64_t kMaxBytesUnderWay = 16 << 20;

}  // namespace

BlobIntake::~BlobIntake() = default;

Status BlobIntake::Add(size_t index, std::string data) {
  batch_bytes_ += data.size();
  batch_.emplace_back(index, std::move(data));
  if (batch_bytes_ >= kBatchBytes || batch_.size() >= kBatchBlobs) {
    PostBatch();
    MutexLock lock(mu_);
    while (bytes_under_way_ > kMaxBytesUnderWay) {
      changed_.Wait(mu_);
    }
    return failure_;
  }
  return absl::OkStatus();
}

void BlobIntake::PostBatch() {
  if (threads_ == nullptr) {
    threads_ = std::make_unique<ThreadPool>("context", kThreads);
  }
  {
    MutexLock lock(mu_);
    bytes_under_way_ += batch_bytes_;
    ++batches_under_way_;
  }
  auto batch = std::make_shared<const Batch>(std::exchange(batch_, {}));
  threads_->Post([this, batch, bytes = std::exchange(batch_bytes_, 0)] { Store(*batch, bytes); });
}

void BlobIntake::Store(const Batch& batch, uint64_t bytes) {
  std::vector<std::pair<size_t, Digest>> stored;
  Status failure;
  for (const auto& [index, data] : batch) {
    const StatusOr<Digest> digest = blobs_.Put(data);
    if (!digest.ok()) {
      failure = digest.status();
      break;
    }
    stored.emplace_back(index, *digest);
  }
  MutexLock lock(mu_);
  stored_.insert(stored_.end(), stored.begin(), stored.end());
  failure_.Update(failure);
  bytes_under_way_ -= bytes;
  --batches_under_way_;
  changed_.NotifyAll();
}

StatusOr<std::vector<std::pair<size_t, Digest>>> BlobIntake::Finish() {
  if (threads_ == nullptr) {
    // Few enough to be done here at once.
    for (const auto& [index, data] : batch_) {
      ASSIGN_OR_RETURN(const Digest digest, blobs_.Put(data));
      MutexLock lock(mu_);
      stored_.emplace_back(index, digest);
    }
    batch_.clear();
  } else if (!batch_.empty()) {
    PostBatch();
  }
  MutexLock lock(mu_);
  while (batches_under_way_ > 0) {
    changed_.Wait(mu_);
  }
  RETURN_IF_ERROR(failure_);
  return std::move(stored_);
}

}  // namespace cairn::source

#include "cache/layer/chunked_compression.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/sync.h"

namespace cairn::layer {
namespace {

constexpr size_t kSmallestChunk = 256 << 10;
constexpr size_t kLargestChunk = 1 << 20;
// Files from this size on have chunks of their own.
constexpr uint64_t kLargeFile = 1 << 20;
// One entry in so many ends a chunk that is large enough.
constexpr uint64_t kEntriesPerCut = 16;
constexpr size_t kMostPending = 8;

}  // namespace

// One chunk on its way through the pool. Shared with the task.
struct ChunkedCompression::Chunk {
  std::string key;
  std::string plain;
  std::optional<Digest> known;  // of the compressed bytes, when they were remembered

  Mutex mu;
  CondVar done_changed;
  bool done ABSL_GUARDED_BY(mu) = false;
  StatusOr<std::string> compressed ABSL_GUARDED_BY(mu) = std::string();
};

// Where a chunk lies in the blob.
struct ChunkedCompression::Placed {
  std::string key;
  uint64_t offset;
  uint64_t size;
  Digest digest;  // of the compressed bytes
};

StatusOr<std::unique_ptr<ChunkedCompression>> ChunkedCompression::Create(
    const Target& target, fs::Encoding encoding, std::optional<int> level,
    const CancelToken& cancel) {
  ASSIGN_OR_RETURN(auto writer, target.blobs.NewWriter());
  return std::unique_ptr<ChunkedCompression>(
      new ChunkedCompression(target, encoding, level, cancel, std::move(writer)));
}

ChunkedCompression::ChunkedCompression(const Target& target, fs::Encoding encoding,
                                       std::optional<int> level, const CancelToken& cancel,
                                       std::unique_ptr<blob::BlobWriter> writer)
    : target_(target),
      encoding_(encoding),
      level_(level),
      cancel_(cancel),
      writer_(std::move(writer)) {}

ChunkedCompression::~ChunkedCompression() = default;

Status ChunkedCompression::BeginEntry(uint64_t data_size, uint64_t mark) {
  const bool was_large = std::exchange(in_large_file_, data_size >= kLargeFile);
  const bool chosen = plain_.size() >= kSmallestChunk && mark % kEntriesPerCut == 0;
  if (!plain_.empty() && (was_large || in_large_file_ || chosen)) {
    return EndChunk();
  }
  return absl::OkStatus();
}

Status ChunkedCompression::Write(string_view data) {
  while (!data.empty()) {
    const size_t count = std::min(data.size(), kLargestChunk - plain_.size());
    plain_.append(data.data(), count);
    data.remove_prefix(count);
    if (plain_.size() == kLargestChunk) {
      RETURN_IF_ERROR(EndChunk());
    }
  }
  return absl::OkStatus();
}

// The compressed form that an earlier layer has, if its blob is still there and whole.
std::optional<std::string> ChunkedCompression::FindCompressed(const std::string& key,
                                                              std::optional<Digest>& known) {
  const auto memo = target_.database.Get(blob::Table::kMemo, key);
  if (!memo.ok() || !*memo) {
    return std::nullopt;
  }
  const std::vector<std::string> fields = absl::StrSplit(**memo, ' ');
  uint64_t offset = 0;
  uint64_t size = 0;
  if (fields.size() != 4 || !absl::SimpleAtoi(fields[1], &offset) ||
      !absl::SimpleAtoi(fields[2], &size)) {
    return std::nullopt;
  }
  const StatusOr<Digest> blob = Digest::FromHex(fields[0]);
  const StatusOr<Digest> digest = Digest::FromHex(fields[3]);
  if (!blob.ok() || !digest.ok()) {
    return std::nullopt;
  }
  if (source_digest_ != *blob) {
    StatusOr<std::unique_ptr<blob::BlobReader>> source = target_.blobs.Open(*blob);
    if (!source.ok()) {
      return std::nullopt;
    }
    source_ = *std::move(source);
    source_digest_ = *blob;
  }
  StatusOr<std::string> bytes = source_->ReadAt(offset, size);
  if (!bytes.ok() || Digest::Of(*bytes) != *digest) {
    return std::nullopt;
  }
  known = *digest;
  return *std::move(bytes);
}

Status ChunkedCompression::EndChunk() {
  RETURN_IF_ERROR(cancel_.Check());
  auto chunk = std::make_shared<Chunk>();
  chunk->plain = std::exchange(plain_, std::string());
  plain_.reserve(kLargestChunk);
  diff_id_.Update(chunk->plain);
  chunk->key = absl::StrCat("chunk:", static_cast<int>(encoding_), ":", level_.value_or(-1), ":",
                            Digest::Of(chunk->plain).hex());
  std::optional<std::string> compressed = FindCompressed(chunk->key, chunk->known);
  if (compressed) {
    MutexLock lock(chunk->mu);
    chunk->compressed = *std::move(compressed);
    chunk->done = true;
  } else {
    target_.pool.Post([chunk, encoding = encoding_, level = level_] {
      StatusOr<std::string> compressed = fs::Compress(encoding, chunk->plain, level);
      MutexLock lock(chunk->mu);
      chunk->compressed = std::move(compressed);
      chunk->done = true;
      chunk->done_changed.NotifyAll();
    });
  }
  pending_.push_back(std::move(chunk));
  return pending_.size() > kMostPending ? WriteOldest() : absl::OkStatus();
}

Status ChunkedCompression::WriteOldest() {
  const std::shared_ptr<Chunk> chunk = std::move(pending_.front());
  pending_.pop_front();
  StatusOr<std::string> compressed;
  {
    MutexLock lock(chunk->mu);
    while (!chunk->done) {
      chunk->done_changed.Wait(chunk->mu);
    }
    compressed = std::move(chunk->compressed);
  }
  RETURN_IF_ERROR_IN(compressed.status(), "compress layer");
  RETURN_IF_ERROR(writer_->Write(*compressed));
  placed_.push_back({chunk->key, offset_, compressed->size(),
                     chunk->known ? *chunk->known : Digest::Of(*compressed)});
  offset_ += compressed->size();
  reused_ += chunk->known ? 1 : 0;
  return absl::OkStatus();
}

Status ChunkedCompression::Remember(const Digest& blob) {
  blob::WriteBatch batch;
  for (const Placed& placed : placed_) {
    batch.Put(
        blob::Table::kMemo, placed.key,
        absl::StrCat(blob.hex(), " ", placed.offset, " ", placed.size, " ", placed.digest.hex()));
  }
  return target_.database.Commit(batch, /*sync=*/false);
}

StatusOr<CompressedLayer> ChunkedCompression::Finish() {
  if (!plain_.empty()) {
    RETURN_IF_ERROR(EndChunk());
  }
  while (!pending_.empty()) {
    RETURN_IF_ERROR(WriteOldest());
  }
  ASSIGN_OR_RETURN(const blob::BlobInfo blob, writer_->Commit());
  RETURN_IF_ERROR(Remember(blob.digest));
  return CompressedLayer{blob, diff_id_.Finish(), placed_.size(), reused_};
}

}  // namespace cairn::layer

// Compresses a tar stream chunk by chunk, and remembers each chunk's compressed form.
//
// Chunks end where entries do, at places that the entries themselves choose, or inside large files
// at fixed offsets from their start; so a change moves no other chunk's ends. Each chunk is a gzip
// member or zstd frame of its own: concatenated they are one valid stream (RFC 1952 2.2, RFC 8878
// 3.1). The memory is the table kMemo, "chunk:" + encoding + level + digest of the plain chunk ->
// where in which layer blob its compressed form lies; no bytes are kept twice.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/layer/tar_stream.h"
#include "runtime/base/cancel.h"
#include "runtime/base/thread_pool.h"
#include "runtime/fs/compression.h"

namespace cairn::layer {

struct CompressedLayer {
  blob::BlobInfo blob;
  Digest diff_id;
  uint64_t chunks = 0;
  uint64_t reused_chunks = 0;
};

// One layer being compressed into one blob. Not thread-safe; `pool` does the work.
class ChunkedCompression final : public EntrySink {
 public:
  struct Target {
    blob::BlobStore& blobs;
    blob::Database& database;
    ThreadPool& pool;
  };

  // `encoding` is kGzip or kZstd. All outlive the object.
  static StatusOr<std::unique_ptr<ChunkedCompression>> Create(const Target& target,
                                                              fs::Encoding encoding,
                                                              std::optional<int> level,
                                                              const CancelToken& cancel);
  ~ChunkedCompression() override;

  Status BeginEntry(uint64_t data_size, uint64_t mark) override;
  Status Write(string_view data) override;

  // Ends the stream and stores the blob. Called once, last.
  StatusOr<CompressedLayer> Finish();

 private:
  struct Chunk;
  struct Placed;
  ChunkedCompression(const Target& target, fs::Encoding encoding, std::optional<int> level,
                     const CancelToken& cancel, std::unique_ptr<blob::BlobWriter> writer);
  Status EndChunk();
  Status WriteOldest();
  // Sets `known` to the digest of the compressed bytes that it returns.
  std::optional<std::string> FindCompressed(const std::string& key, std::optional<Digest>& known);
  Status Remember(const Digest& blob);

  const Target target_;
  const fs::Encoding encoding_;
  const std::optional<int> level_;
  const CancelToken& cancel_;
  std::unique_ptr<blob::BlobWriter> writer_;
  Hasher diff_id_;
  std::string plain_;           // of the chunk in progress
  bool in_large_file_ = false;  // the entry in progress has chunks of its own
  std::deque<std::shared_ptr<Chunk>> pending_;
  std::vector<Placed> placed_;
  uint64_t offset_ = 0;  // in the blob
  uint64_t reused_ = 0;
  // The blob that the last remembered chunk was read from: usually the next one's too.
  std::optional<Digest> source_digest_;
  std::unique_ptr<blob::BlobReader> source_;
};

}  // namespace cairn::layer

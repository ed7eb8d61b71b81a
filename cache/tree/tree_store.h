// Loads and stores Directories as blobs, with a bounded cache of decoded ones.
//
// Thread-safe. Loaded Directories are immutable and shared.
#pragma once

#include <memory>

#include "cache/blob/blob_store.h"
#include "cache/tree/directory.h"

namespace cairn::tree {

class TreeStore {
 public:
  // `blobs` outlives the store; `cache_bytes` bounds the decoded directories kept.
  explicit TreeStore(blob::BlobStore& blobs, uint64_t cache_bytes = 16 << 20);
  ~TreeStore();

  // kNotFound when the blob is gone, kDataLoss when it is not a Directory.
  StatusOr<std::shared_ptr<const Directory>> Load(const Digest& digest);

  // Encodes and stores `directory`; its children must be stored already. kInvalidArgument when
  // entries are unsorted, doubled or badly named, kResourceExhausted when there are too many (some
  // millions).
  StatusOr<TreeRef> Store(Directory directory);

  // The whole reference of the stored tree that `digest` names.
  StatusOr<TreeRef> RefOf(const Digest& digest);

  // The tree of an empty directory 0755 root:root with mtime 0.
  StatusOr<TreeRef> Empty();

  blob::BlobStore& blobs() { return blobs_; }

 private:
  struct Cache;
  blob::BlobStore& blobs_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace cairn::tree

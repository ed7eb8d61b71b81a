// AdoptFiles: hashes files and takes them into the blob store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/blob/blob_store.h"
#include "runtime/base/cancel.h"

namespace cairn::snapshot {

struct WrittenFile {
  std::string path;  // below the directory
  uint64_t size = 0;
  std::optional<Digest> digest;  // set by AdoptFiles
};

// Sets the digest of each of `files` of the directory `directory_fd`, whose bytes are in `blobs`
// then: small ones copied, large ones as hard links, so that nobody may write to them again. Much
// data is hashed on two threads. kDataLoss when a file changes meanwhile.
Status AdoptFiles(blob::BlobStore& blobs, int directory_fd, std::vector<WrittenFile>& files,
                  const CancelToken& cancel);

}  // namespace cairn::snapshot

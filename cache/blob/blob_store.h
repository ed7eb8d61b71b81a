// A BlobStore keeps immutable bytes under the digest of their content.
//
// A blob becomes visible only when it is complete, verified and durable: a crash during a write
// leaves nothing that a later Open can see. Small blobs live in the database, large ones as files
// "objects/<2 hex>/<62 hex>". Blobs are removed only by gc::Collector; everybody else who needs one
// to stay holds a gc::Lease or has it named by a record.
//
// Thread-safe. Readers are never blocked by writers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/base/digest.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"
#include "runtime/fs/byte_stream.h"
#include "runtime/fs/metadata.h"

namespace cairn::blob {

class Database;

struct BlobInfo {
  Digest digest;
  uint64_t size = 0;
};

// Reads one blob. Keeps it readable (an open file, or the bytes) even if it is collected meanwhile.
// Thread-safe.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual uint64_t size() const = 0;
  // Up to `size` bytes at `offset`; short only at the end.
  virtual StatusOr<std::string> ReadAt(uint64_t offset, uint64_t size) = 0;
  // The whole blob as a stream from its start; the reader must outlive the stream.
  virtual std::unique_ptr<fs::ByteSource> Stream() = 0;
  // A read-only descriptor of a blob that lives in a file; -1 for one in the database.
  virtual int fd() const = 0;
};

// Receives the bytes of one new blob. Dropped without Commit, it leaves nothing. Not thread-safe.
class BlobWriter : public fs::ByteSink {
 public:
  // Makes the blob visible. If `expected` is set and the bytes hash to another digest, nothing is
  // stored and the result is kDataLoss naming both.
  virtual StatusOr<BlobInfo> Commit(std::optional<Digest> expected = std::nullopt) = 0;
};

class BlobStore {
 public:
  // `root` is the store's directory (made if missing); `database` outlives the store.
  static StatusOr<std::unique_ptr<BlobStore>> Open(const std::string& root, Database& database);
  virtual ~BlobStore() = default;

  // Stores `data` and returns its digest.
  virtual StatusOr<Digest> Put(string_view data) = 0;

  virtual StatusOr<std::unique_ptr<BlobWriter>> NewWriter() = 0;

  // Takes the regular file `name` in `directory_fd` into the store under `digest`, which the caller
  // has just computed from its bytes: by hard link where the file system allows, so the file must
  // never be written again. Returns whether the store had the blob already (then nothing is
  // linked).
  virtual StatusOr<bool> Adopt(int directory_fd, const std::string& name, const Digest& digest,
                               uint64_t size) = 0;

  virtual StatusOr<bool> Contains(const Digest& digest) = 0;
  // kNotFound when the store lacks it.
  virtual StatusOr<BlobInfo> Stat(const Digest& digest) = 0;
  virtual StatusOr<std::unique_ptr<BlobReader>> Open(const Digest& digest) = 0;
  // The whole blob; kResourceExhausted above `limit` bytes.
  virtual StatusOr<std::string> Read(const Digest& digest, uint64_t limit = 64 << 20) = 0;

  // Makes the file `name` in `directory_fd` with the blob's bytes and `metadata`: a hard link to a
  // stored inode that has exactly that metadata when `may_link` is set and there is one, else a
  // copy (then kept as such an inode for the next time when `may_link`). A caller sets may_link at
  // most once per blob and tree, so that two files of a tree never become one inode by accident.
  virtual Status Materialize(const Digest& digest, const fs::Metadata& metadata, int directory_fd,
                             const std::string& name, bool may_link) = 0;

  // Removes a blob. Only gc::Collector calls this. Returns the bytes it occupied.
  virtual StatusOr<uint64_t> Remove(const Digest& digest) = 0;
};

}  // namespace cairn::blob

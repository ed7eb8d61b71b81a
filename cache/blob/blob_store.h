// A BlobStore keeps immutable bytes under the digest of their content.
//
// A blob becomes visible only when it is complete and verified: a crash of the daemon or the
// machine during a write leaves nothing that a later Open can see (durability.h says how). Small
// blobs live in the database, large ones as files (object_files.h). Blobs are removed only by
// gc::Ledger; everybody else who needs one to stay holds a gc::Lease or has it named by a record.
//
// Thread-safe. Readers are never blocked by writers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

// While a Hold lives, no blob that was put, adopted, found, opened or touched since it was made is
// removed. gc::Lease has one. RAII.
class Hold {
 public:
  virtual ~Hold() = default;
};

class BlobStore {
 public:
  // Blobs of at most this many bytes live in the database.
  static constexpr uint64_t kInlineBytes = 8 << 10;

  // `root` is the store's directory (made if missing); `database` outlives the store. Files that a
  // power loss may have damaged are verified first. kFailedPrecondition when the store was written
  // by a release with another format.
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

  // Whether the blob is there: entry and bytes. One whose file is damaged is not there, and putting
  // it again repairs it.
  virtual StatusOr<bool> Contains(const Digest& digest) = 0;
  // kNotFound when the store lacks it, kDataLoss when its file has another size.
  virtual StatusOr<BlobInfo> Stat(const Digest& digest) = 0;
  virtual StatusOr<std::unique_ptr<BlobReader>> Open(const Digest& digest) = 0;
  // The whole blob; kResourceExhausted above `limit` bytes.
  virtual StatusOr<std::string> Read(const Digest& digest, uint64_t limit = 64 << 20) = 0;

  // Makes the file `name` in `directory_fd` with the blob's bytes and `metadata`: with `may_link` a
  // hard link to a stored inode that has exactly that metadata, made for it if need be; else, and
  // for blobs in the database, a copy. Links must not be written to or changed. A caller sets
  // may_link at most once per blob and tree, so that two files of a tree never become one inode by
  // accident. kAlreadyExists when there is a `name`.
  virtual Status Materialize(const Digest& digest, const fs::Metadata& metadata, int directory_fd,
                             const std::string& name, bool may_link) = 0;

  virtual std::unique_ptr<Hold> NewHold() = 0;
  // Has the present Holds keep `digest`, for who knows it without asking the store (a cache).
  virtual void Touch(const Digest& digest) = 0;

  // Everything put before the call outlives a power loss when this returns OK. What a client is
  // told to be finished comes after this; a mere cache record need not.
  virtual Status MakeDurable() = 0;
  // The same within seconds, without waiting.
  virtual void MakeDurableSoon() = 0;
  // Whether the machine went down before everything was durable since the store was last open:
  // then files that were linked or copied out of it may be damaged.
  virtual bool recovered() const = 0;

  // For gc alone.

  // Read, but no Hold keeps the blob for it: looking at what may go must not keep it.
  virtual StatusOr<std::string> Peek(const Digest& digest, uint64_t limit) = 0;
  // Removes the blobs in the order given and returns the bytes they occupied; absent ones count
  // nothing. For one that a Hold keeps `held` is called before the next is looked at, so that it
  // may Touch others further on. One call at a time goes on.
  virtual StatusOr<uint64_t> Remove(const std::vector<Digest>& digests,
                                    const std::function<void(const Digest&)>& held) = 0;
  // Calls `visit` for each blob whose digest starts with the raw bytes `prefix`.
  virtual Status List(string_view prefix, const std::function<void(const BlobInfo&)>& visit) = 0;
  // Bytes of the second inodes that Materialize made, and their removal; the links stay.
  virtual StatusOr<uint64_t> VariantBytes() = 0;
  virtual StatusOr<uint64_t> RemoveVariants() = 0;
  // Removes files that a crash left without an entry; returns their bytes.
  virtual StatusOr<uint64_t> RemoveStrays() = 0;
  // The blobs that a power loss took, until they are forgotten.
  virtual StatusOr<std::vector<Digest>> LostBlobs() = 0;
  virtual Status ForgetLostBlobs() = 0;
};

}  // namespace cairn::blob

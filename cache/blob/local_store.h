// LocalStore: the BlobStore over one database and one directory of object files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/blob/digest_locks.h"
#include "cache/blob/durability.h"
#include "cache/blob/inode_pool.h"
#include "cache/blob/object_files.h"
#include "cache/blob/protection.h"
#include "cache/blob/put_count.h"

namespace cairn::blob {

class LocalStore final : public BlobStore {
 public:
  LocalStore(Database& database, std::unique_ptr<ObjectFiles> files,
             std::unique_ptr<Durability> durability);

  StatusOr<Digest> Put(string_view data) override;
  StatusOr<std::unique_ptr<BlobWriter>> NewWriter() override;
  StatusOr<bool> Adopt(int directory_fd, const std::string& name, const Digest& digest,
                       uint64_t size) override;
  StatusOr<bool> Contains(const Digest& digest) override;
  StatusOr<BlobInfo> Stat(const Digest& digest) override;
  StatusOr<std::unique_ptr<BlobReader>> Open(const Digest& digest) override;
  StatusOr<std::string> Read(const Digest& digest, uint64_t limit) override;
  Status Materialize(const Digest& digest, const fs::Metadata& metadata, int directory_fd,
                     const std::string& name, bool may_link) override;
  std::unique_ptr<Hold> NewHold() override;
  void Touch(const Digest& digest) override { protection_.Touch(digest); }
  Status MakeDurable() override;
  void MakeDurableSoon() override { durability_->MakeDurableSoon(); }
  bool recovered() const override { return durability_->recovered(); }

  StatusOr<std::string> Peek(const Digest& digest, uint64_t limit) override;
  StatusOr<uint64_t> Remove(const std::vector<Digest>& digests,
                            const std::function<void(const Digest&)>& held) override;
  Status List(string_view prefix, const std::function<void(const BlobInfo&)>& visit) override;
  StatusOr<uint64_t> VariantBytes() override;
  StatusOr<uint64_t> RemoveVariants() override;
  StatusOr<uint64_t> RemoveStrays() override;
  StatusOr<std::vector<Digest>> LostBlobs() override;
  Status ForgetLostBlobs() override;

 private:
  friend class LocalWriter;

  // Stores `data`, which has `digest`, in the database unless it is there.
  Status PutSmall(const Digest& digest, string_view data);
  // Makes the complete file `temporary` the blob `digest` unless that is there.
  Status PutLarge(const Digest& digest, uint64_t size, ObjectFiles::Temporary& temporary);
  Status RecordObject(const Digest& digest, uint64_t size);
  // Adopts the bytes of `fd`, when a link is not possible.
  Status AdoptCopy(int fd, const Digest& digest, uint64_t size);
  Status LinkObject(int directory_fd, const std::string& name, const Digest& digest, uint64_t size);

  // The blob's entry in kObjects; nullopt when there is none.
  StatusOr<std::optional<ObjectEntry>> FindEntry(const Digest& digest);
  // Whether the blob is there, whole; unlike Stat, damage is absence.
  StatusOr<bool> HasBlob(const Digest& digest);

  StatusOr<std::unique_ptr<BlobReader>> OpenUntouched(const Digest& digest);
  // Removes blobs whose removal has begun, all entries in one batch before any file.
  StatusOr<uint64_t> RemoveBegun(const std::vector<Digest>& digests);

  Database& database_;
  const std::unique_ptr<ObjectFiles> files_;
  const std::unique_ptr<Durability> durability_;
  Protection protection_;
  PutCount puts_;
  DigestLocks locks_;
  InodePool inodes_;
  // Orders removals, each of which holds several digests; held across I/O, taken before any other.
  Mutex removal_mu_;
};

}  // namespace cairn::blob

// InodePool: hard links of large blobs with wanted metadata.
//
// A link shares its inode's metadata, so an object can serve a tree only if its inode carries what
// the tree says. The pool gives, in this order: the object's own inode if its metadata fits; the
// object's own inode with its metadata changed, while nobody else has a link of it (what a blob's
// file carries means nothing by itself); a variant, a second inode with the same bytes, kept for
// the next time. An inode that has as many links as the file system allows is replaced by a copy.
//
// Thread-safe; callers hold the digest's lock.
#pragma once

#include <string>

#include "cache/blob/database.h"
#include "cache/blob/durability.h"
#include "cache/blob/object_files.h"
#include "runtime/fs/metadata.h"

namespace cairn::blob {

class InodePool {
 public:
  // All outlive the pool.
  InodePool(Database& database, ObjectFiles& files, Durability& durability)
      : database_(database), files_(files), durability_(durability) {}

  // Makes `name` in `directory_fd` a link of the object `digest`, which exists and has `size`
  // bytes, with `metadata`; a copy where no link can be made (another file system).
  Status Link(const Digest& digest, uint64_t size, const fs::Metadata& metadata, int directory_fd,
              const std::string& name);

  // Removes the variants of `digest`; returns their bytes.
  StatusOr<uint64_t> RemoveVariants(const Digest& digest);

 private:
  // Whether the object's own inode has, or could be given, `metadata`.
  StatusOr<bool> ClaimObject(const ObjectName& object, const fs::Metadata& metadata);
  StatusOr<bool> HasVariant(const ObjectName& variant, uint64_t size);
  Status MakeVariant(const ObjectName& variant, uint64_t size, const fs::Metadata& metadata);
  Status LinkFrom(const ObjectName& source, const fs::Metadata& metadata, int directory_fd,
                  const std::string& name);
  // Replaces `source` by a copy of itself with a link count of one.
  Status Renew(const ObjectName& source, const fs::Metadata& metadata);

  Database& database_;
  ObjectFiles& files_;
  Durability& durability_;
};

// Makes `name` in `directory_fd` a new file with the bytes of `from` and `metadata`.
Status CopyToNewFile(int from, const fs::Metadata& metadata, int directory_fd,
                     const std::string& name);
// The same with the bytes `data`.
Status WriteNewFile(string_view data, const fs::Metadata& metadata, int directory_fd,
                    const std::string& name);

}  // namespace cairn::blob

#include "cache/blob/inode_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/fault_point.h"

namespace cairn::blob {
namespace {

StatusOr<UniqueFd> CreateFile(int directory_fd, const std::string& name) {
  UniqueFd fd(::openat(directory_fd, name.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("create ", name));
  }
  return fd;
}

// Runs `fill` on a new file and gives it `metadata`; what fails leaves no file.
template <typename Fill>
Status MakeFile(const fs::Metadata& metadata, int directory_fd, const std::string& name,
                const Fill& fill) {
  ASSIGN_OR_RETURN(UniqueFd fd, CreateFile(directory_fd, name));
  Status status = fill(fd.get());
  fd.Reset();
  if (status.ok()) {
    status = fs::ApplyMetadata(directory_fd, name, fs::Kind::kFile, metadata);
  }
  if (!status.ok()) {
    ::unlinkat(directory_fd, name.c_str(), 0);
  }
  return status;
}

}  // namespace

Status CopyToNewFile(int from, const fs::Metadata& metadata, int directory_fd,
                     const std::string& name) {
  return MakeFile(metadata, directory_fd, name, [&](int to) { return CopyFileBytes(from, to); });
}

Status WriteNewFile(string_view data, const fs::Metadata& metadata, int directory_fd,
                    const std::string& name) {
  return MakeFile(metadata, directory_fd, name, [&](int to) { return WriteAll(to, data); });
}

Status InodePool::Link(const Digest& digest, uint64_t size, const fs::Metadata& metadata,
                       int directory_fd, const std::string& name) {
  const ObjectName object(digest);
  ASSIGN_OR_RETURN(const bool claimed, ClaimObject(object, metadata));
  if (claimed) {
    return LinkFrom(object, metadata, directory_fd, name);
  }
  const ObjectName variant(digest, metadata);
  ASSIGN_OR_RETURN(const bool exists, HasVariant(variant, size));
  if (!exists) {
    RETURN_IF_ERROR(MakeVariant(variant, size, metadata));
  }
  return LinkFrom(variant, metadata, directory_fd, name);
}

StatusOr<bool> InodePool::ClaimObject(const ObjectName& object, const fs::Metadata& metadata) {
  const std::string path = object.path();
  ASSIGN_OR_RETURN(const fs::Metadata present, fs::ReadMetadata(files_.fd(), path));
  if (present == metadata) {
    return true;
  }
  ASSIGN_OR_RETURN(const auto status, files_.Stat(object));
  if (!status.has_value() || status->st_nlink != 1) {
    return false;
  }
  if (!fs::ApplyMetadata(files_.fd(), path, fs::Kind::kFile, metadata).ok()) {
    return false;
  }
  // Attributes that the file has beyond `metadata` stay; then it does not fit.
  ASSIGN_OR_RETURN(const fs::Metadata changed, fs::ReadMetadata(files_.fd(), path));
  return changed == metadata;
}

StatusOr<bool> InodePool::HasVariant(const ObjectName& variant, uint64_t size) {
  ASSIGN_OR_RETURN(const auto entry, database_.FindSize(Table::kVariants, variant.key()));
  if (!entry.has_value()) {
    return false;
  }
  ASSIGN_OR_RETURN(const auto status, files_.Stat(variant));
  return status.has_value() && static_cast<uint64_t>(status->st_size) == size;
}

Status InodePool::MakeVariant(const ObjectName& variant, uint64_t size,
                              const fs::Metadata& metadata) {
  ASSIGN_OR_RETURN(const UniqueFd from, files_.OpenFile(ObjectName(variant.digest)));
  ASSIGN_OR_RETURN(const auto temporary, files_.NewTemporary());
  RETURN_IF_ERROR(CopyFileBytes(from.get(), temporary->fd()));
  RETURN_IF_ERROR(fs::ApplyMetadata(files_.fd(), temporary->path(), fs::Kind::kFile, metadata));
  CAIRN_FAULT_POINT("blob.variant.place");
  RETURN_IF_ERROR(files_.Place(*temporary, variant));
  CAIRN_FAULT_POINT("blob.variant.entry");
  const ObjectEntry entry = {.size = size, .epoch = durability_.EpochForEntry(variant)};
  return database_.Put(Table::kVariants, variant.key(), entry.Encode());
}

Status InodePool::LinkFrom(const ObjectName& source, const fs::Metadata& metadata, int directory_fd,
                           const std::string& name) {
  Status linked = files_.GiveLink(source, directory_fd, name);
  if (ErrnoOf(linked) == EMLINK) {
    RETURN_IF_ERROR(Renew(source, metadata));
    linked = files_.GiveLink(source, directory_fd, name);
  }
  const int error = ErrnoOf(linked);
  if (error == EXDEV || error == EPERM || error == EMLINK || error == EOPNOTSUPP) {
    ASSIGN_OR_RETURN(const UniqueFd from, files_.OpenFile(source));
    return CopyToNewFile(from.get(), metadata, directory_fd, name);
  }
  return linked;
}

Status InodePool::Renew(const ObjectName& source, const fs::Metadata& metadata) {
  ASSIGN_OR_RETURN(const UniqueFd from, files_.OpenFile(source));
  ASSIGN_OR_RETURN(const auto temporary, files_.NewTemporary());
  RETURN_IF_ERROR(CopyFileBytes(from.get(), temporary->fd()));
  RETURN_IF_ERROR(fs::ApplyMetadata(files_.fd(), temporary->path(), fs::Kind::kFile, metadata));
  const Table table = source.variant.empty() ? Table::kObjects : Table::kVariants;
  ASSIGN_OR_RETURN(const auto bytes, database_.Get(table, source.key()));
  if (!bytes.has_value()) {
    return absl::NotFoundError(absl::StrCat("blob ", source.digest.ToString(), ": not found"));
  }
  ASSIGN_OR_RETURN(ObjectEntry entry, ObjectEntry::Decode(*bytes));
  // The new inode is not on the disk yet, and the entry says so before the file changes.
  entry.epoch = durability_.EpochForEntry(source);
  RETURN_IF_ERROR(database_.Put(table, source.key(), entry.Encode()));
  RETURN_IF_ERROR(files_.Place(*temporary, source));
  entry.epoch = durability_.EpochForEntry(source);
  return database_.Put(table, source.key(), entry.Encode());
}

StatusOr<uint64_t> InodePool::RemoveVariants(const Digest& digest) {
  std::vector<ObjectName> variants;
  uint64_t bytes = 0;
  Status failure;
  RETURN_IF_ERROR(
      database_.Scan(Table::kVariants, digest.raw(), [&](string_view key, string_view value) {
        const StatusOr<ObjectName> name = ObjectName::FromKey(key);
        const StatusOr<ObjectEntry> entry = ObjectEntry::Decode(value);
        failure.Update(name.status());
        failure.Update(entry.status());
        if (failure.ok()) {
          variants.push_back(*name);
          bytes += entry->size;
        }
        return failure.ok();
      }));
  RETURN_IF_ERROR(failure);
  for (const ObjectName& variant : variants) {
    RETURN_IF_ERROR(database_.Delete(Table::kVariants, variant.key()));
    CAIRN_FAULT_POINT("blob.variant.unlink");
    RETURN_IF_ERROR(files_.Remove(variant));
  }
  return bytes;
}

}  // namespace cairn::blob

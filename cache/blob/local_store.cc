#include "cache/blob/local_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "cache/blob/blob_reader.h"
#include "cache/blob/blob_writer.h"
#include "cache/blob/meta_keys.h"
#include "runtime/base/fault_point.h"

namespace cairn::blob {
namespace {

constexpr char kFormat[] = "1";
// How many blobs one sync of the log serves, and for how long somebody who wants one of them waits.
constexpr size_t kRemovalChunk = 256;

class ProtectionHold final : public Hold {
 public:
  explicit ProtectionHold(Protection& protection)
      : protection_(protection), ticket_(protection.OpenTicket()) {}
  ~ProtectionHold() override { protection_.CloseTicket(ticket_); }

 private:
  Protection& protection_;
  const uint64_t ticket_;
};

Status NotFound(const Digest& digest) {
  return absl::NotFoundError(absl::StrCat("blob ", digest.ToString(), ": not found"));
}

Status Damaged(const Digest& digest, string_view how) {
  return absl::DataLossError(absl::StrCat("blob ", digest.ToString(), " is damaged: ", how));
}

Status CheckFormat(Database& database) {
  ASSIGN_OR_RETURN(const auto format, database.Get(Table::kMeta, kMetaFormat));
  if (!format.has_value()) {
    return database.Put(Table::kMeta, kMetaFormat, kFormat, /*sync=*/true);
  }
  if (*format != kFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("the store has format ", *format, ", this release reads format ", kFormat,
                     "; use another state directory or the release that wrote it"));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<BlobStore>> BlobStore::Open(const std::string& root, Database& database) {
  std::error_code error;
  std::filesystem::create_directories(root, error);
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("create ", root));
  }
  RETURN_IF_ERROR(CheckFormat(database));
  ASSIGN_OR_RETURN(auto files, ObjectFiles::Open(root));
  ASSIGN_OR_RETURN(auto durability, Durability::Open(database, *files));
  return std::make_unique<LocalStore>(database, std::move(files), std::move(durability));
}

LocalStore::LocalStore(Database& database, std::unique_ptr<ObjectFiles> files,
                       std::unique_ptr<Durability> durability)
    : database_(database),
      files_(std::move(files)),
      durability_(std::move(durability)),
      inodes_(database, *files_, *durability_) {}

StatusOr<std::optional<ObjectEntry>> LocalStore::FindEntry(const Digest& digest) {
  ASSIGN_OR_RETURN(const auto bytes, database_.Get(Table::kObjects, digest.raw()));
  if (!bytes.has_value()) {
    return std::optional<ObjectEntry>();
  }
  ASSIGN_OR_RETURN(const ObjectEntry entry, ObjectEntry::Decode(*bytes));
  return std::optional<ObjectEntry>(entry);
}

StatusOr<bool> LocalStore::HasBlob(const Digest& digest) {
  ASSIGN_OR_RETURN(const auto entry, FindEntry(digest));
  if (!entry.has_value() || entry->in_database) {
    return entry.has_value();
  }
  ASSIGN_OR_RETURN(const auto status, files_->Stat(ObjectName(digest)));
  return status.has_value() && static_cast<uint64_t>(status->st_size) == entry->size;
}

StatusOr<Digest> LocalStore::Put(string_view data) {
  const Digest digest = Digest::Of(data);
  if (data.size() <= kInlineBytes) {
    RETURN_IF_ERROR(PutSmall(digest, data));
    return digest;
  }
  protection_.Touch(digest);
  ASSIGN_OR_RETURN(const bool exists, HasBlob(digest));
  if (exists) {
    return digest;
  }
  ASSIGN_OR_RETURN(const auto temporary, files_->NewTemporary());
  RETURN_IF_ERROR_IN(WriteAll(temporary->fd(), data), "write a blob");
  RETURN_IF_ERROR(PutLarge(digest, data.size(), *temporary));
  return digest;
}

Status LocalStore::PutSmall(const Digest& digest, string_view data) {
  protection_.Touch(digest);
  ASSIGN_OR_RETURN(const bool exists, HasBlob(digest));
  if (exists) {
    return absl::OkStatus();
  }
  CAIRN_FAULT_POINT("blob.put.small");
  const PutCount::Put put(puts_);
  WriteBatch batch;
  batch.Put(Table::kBlobs, digest.raw(), data);
  batch.Put(Table::kObjects, digest.raw(),
            ObjectEntry{.size = data.size(), .in_database = true}.Encode());
  return database_.Commit(batch, /*sync=*/false);
}

Status LocalStore::PutLarge(const Digest& digest, uint64_t size,
                            ObjectFiles::Temporary& temporary) {
  protection_.Touch(digest);
  const DigestLocks::Guard guard(locks_, digest);
  ASSIGN_OR_RETURN(const bool exists, HasBlob(digest));
  if (exists) {
    return absl::OkStatus();
  }
  CAIRN_FAULT_POINT("blob.put.place");
  RETURN_IF_ERROR(files_->Place(temporary, ObjectName(digest)));
  return RecordObject(digest, size);
}

Status LocalStore::RecordObject(const Digest& digest, uint64_t size) {
  CAIRN_FAULT_POINT("blob.put.entry");
  const PutCount::Put put(puts_);
  const ObjectEntry entry = {.size = size, .epoch = durability_->EpochForEntry(ObjectName(digest))};
  RETURN_IF_ERROR(database_.Put(Table::kObjects, digest.raw(), entry.Encode()));
  CAIRN_FAULT_POINT("blob.put.done");
  return absl::OkStatus();
}

StatusOr<std::unique_ptr<BlobWriter>> LocalStore::NewWriter() {
  return std::unique_ptr<BlobWriter>(std::make_unique<LocalWriter>(*this));
}

StatusOr<bool> LocalStore::Adopt(int directory_fd, const std::string& name, const Digest& digest,
                                 uint64_t size) {
  ASSIGN_OR_RETURN(const bool exists, Contains(digest));
  if (exists) {
    return true;
  }
  UniqueFd fd(::openat(directory_fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("adopt ", name));
  }
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) {
    return ErrnoStatus(errno, absl::StrCat("adopt ", name));
  }
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("adopt ", name, ": not a regular file"));
  }
  if (static_cast<uint64_t>(status.st_size) != size) {
    return absl::DataLossError(absl::StrCat("adopt ", name, ": has ", status.st_size,
                                            " bytes, not ", size, ": it changed meanwhile"));
  }
  if (size <= kInlineBytes) {
    ASSIGN_OR_RETURN(const std::string data, cairn::ReadAt(fd.get(), 0, size));
    if (Digest::Of(data) != digest) {
      return absl::DataLossError(absl::StrCat("adopt ", name, ": it changed meanwhile"));
    }
    RETURN_IF_ERROR(PutSmall(digest, data));
    return false;
  }
  const Status linked = LinkObject(directory_fd, name, digest, size);
  if (linked.ok()) {
    return false;
  }
  const int error = ErrnoOf(linked);
  if (error != EXDEV && error != EPERM && error != EMLINK && error != EOPNOTSUPP) {
    return linked;
  }
  RETURN_IF_ERROR_IN(AdoptCopy(fd.get(), digest, size), absl::StrCat("adopt ", name));
  return false;
}

Status LocalStore::LinkObject(int directory_fd, const std::string& name, const Digest& digest,
                              uint64_t size) {
  protection_.Touch(digest);
  const DigestLocks::Guard guard(locks_, digest);
  ASSIGN_OR_RETURN(const bool exists, HasBlob(digest));
  if (exists) {
    return absl::OkStatus();
  }
  CAIRN_FAULT_POINT("blob.adopt.link");
  RETURN_IF_ERROR(files_->TakeLink(directory_fd, name, ObjectName(digest)));
  return RecordObject(digest, size);
}

Status LocalStore::AdoptCopy(int fd, const Digest& digest, uint64_t size) {
  ASSIGN_OR_RETURN(const auto temporary, files_->NewTemporary());
  RETURN_IF_ERROR(CopyFileBytes(fd, temporary->fd()));
  return PutLarge(digest, size, *temporary);
}

Status LocalStore::MakeDurable() {
  if (puts_.durable()) {
    return absl::OkStatus();
  }
  const uint64_t done = puts_.done();
  RETURN_IF_ERROR(durability_->MakeDurable());
  puts_.SetDurable(done);
  return absl::OkStatus();
}

StatusOr<bool> LocalStore::Contains(const Digest& digest) {
  protection_.Touch(digest);
  return HasBlob(digest);
}

StatusOr<BlobInfo> LocalStore::Stat(const Digest& digest) {
  protection_.Touch(digest);
  ASSIGN_OR_RETURN(const auto entry, FindEntry(digest));
  if (!entry.has_value()) {
    return NotFound(digest);
  }
  if (entry->in_database) {
    return BlobInfo{digest, entry->size};
  }
  ASSIGN_OR_RETURN(const auto status, files_->Stat(ObjectName(digest)));
  if (!status.has_value()) {
    return Damaged(digest, "its file is gone");
  }
  if (static_cast<uint64_t>(status->st_size) != entry->size) {
    return Damaged(digest,
                   absl::StrCat("its file has ", status->st_size, " bytes, not ", entry->size));
  }
  return BlobInfo{digest, entry->size};
}

StatusOr<std::unique_ptr<BlobReader>> LocalStore::Open(const Digest& digest) {
  protection_.Touch(digest);
  return OpenUntouched(digest);
}

StatusOr<std::unique_ptr<BlobReader>> LocalStore::OpenUntouched(const Digest& digest) {
  ASSIGN_OR_RETURN(const auto entry, FindEntry(digest));
  if (!entry.has_value()) {
    return NotFound(digest);
  }
  if (entry->in_database) {
    ASSIGN_OR_RETURN(auto bytes, database_.Get(Table::kBlobs, digest.raw()));
    if (!bytes.has_value()) {
      return NotFound(digest);  // removed since
    }
    return NewMemoryReader(*std::move(bytes));
  }
  StatusOr<UniqueFd> fd = files_->OpenFile(ObjectName(digest));
  if (absl::IsNotFound(fd.status())) {
    return Damaged(digest, "its file is gone");
  }
  RETURN_IF_ERROR(fd.status());
  struct stat status;
  if (::fstat(fd->get(), &status) != 0 || static_cast<uint64_t>(status.st_size) != entry->size) {
    return Damaged(digest, absl::StrCat("its file does not have ", entry->size, " bytes"));
  }
  return NewFileReader(*std::move(fd), BlobInfo{digest, entry->size});
}

StatusOr<std::string> LocalStore::Read(const Digest& digest, uint64_t limit) {
  protection_.Touch(digest);
  return Peek(digest, limit);
}

StatusOr<std::string> LocalStore::Peek(const Digest& digest, uint64_t limit) {
  ASSIGN_OR_RETURN(const auto reader, OpenUntouched(digest));
  if (reader->size() > limit) {
    return absl::ResourceExhaustedError(absl::StrCat("blob ", digest.ToString(), " has ",
                                                     reader->size(), " bytes, more than the ",
                                                     limit, " allowed here"));
  }
  return reader->ReadAt(0, reader->size());
}

Status LocalStore::Materialize(const Digest& digest, const fs::Metadata& metadata, int directory_fd,
                               const std::string& name, bool may_link) {
  ASSIGN_OR_RETURN(const auto reader, Open(digest));
  if (reader->fd() < 0) {
    ASSIGN_OR_RETURN(const std::string data, reader->ReadAt(0, reader->size()));
    return WriteNewFile(data, metadata, directory_fd, name);
  }
  if (!may_link) {
    return CopyToNewFile(reader->fd(), metadata, directory_fd, name);
  }
  const DigestLocks::Guard guard(locks_, digest);
  return inodes_.Link(digest, reader->size(), metadata, directory_fd, name);
}

std::unique_ptr<Hold> LocalStore::NewHold() {
  return std::make_unique<ProtectionHold>(protection_);
}

StatusOr<uint64_t> LocalStore::Remove(const std::vector<Digest>& digests,
                                      const std::function<void(const Digest&)>& held) {
  uint64_t bytes = 0;
  for (size_t start = 0; start < digests.size(); start += kRemovalChunk) {
    MutexLock removal(removal_mu_);
    std::vector<Digest> begun;
    for (size_t i = start; i < std::min(start + kRemovalChunk, digests.size()); ++i) {
      if (std::find(begun.begin(), begun.end(), digests[i]) != begun.end()) {
        continue;
      }
      if (protection_.BeginRemoval(digests[i])) {
        begun.push_back(digests[i]);
      } else {
        held(digests[i]);
      }
    }
    const StatusOr<uint64_t> removed = RemoveBegun(begun);
    for (const Digest& digest : begun) {
      protection_.EndRemoval(digest);
    }
    RETURN_IF_ERROR(removed.status());
    bytes += *removed;
  }
  return bytes;
}

StatusOr<uint64_t> LocalStore::RemoveBegun(const std::vector<Digest>& digests) {
  uint64_t bytes = 0;
  WriteBatch batch;
  std::vector<Digest> files;
  for (const Digest& digest : digests) {
    ASSIGN_OR_RETURN(const auto entry, FindEntry(digest));
    if (!entry.has_value()) {
      continue;
    }
    bytes += entry->size;
    batch.Delete(Table::kObjects, digest.raw());
    if (entry->in_database) {
      batch.Delete(Table::kBlobs, digest.raw());
    } else {
      files.push_back(digest);
    }
  }
  CAIRN_FAULT_POINT("blob.remove.entry");
  // The entries go first, for good: an entry without its file would be a lie, a file without its
  // entry is only a stray.
  RETURN_IF_ERROR(database_.Commit(batch, /*sync=*/!files.empty()));
  CAIRN_FAULT_POINT("blob.remove.unlink");
  for (const Digest& digest : files) {
    const DigestLocks::Guard guard(locks_, digest);
    RETURN_IF_ERROR(files_->Remove(ObjectName(digest)));
    ASSIGN_OR_RETURN(const uint64_t variants, inodes_.RemoveVariants(digest));
    bytes += variants;
  }
  return bytes;
}

Status LocalStore::List(string_view prefix, const std::function<void(const BlobInfo&)>& visit) {
  Status failure;
  RETURN_IF_ERROR(database_.Scan(Table::kObjects, prefix, [&](string_view key, string_view value) {
    const StatusOr<Digest> digest = Digest::FromRaw(key);
    const StatusOr<ObjectEntry> entry = ObjectEntry::Decode(value);
    failure.Update(digest.status());
    failure.Update(entry.status());
    if (failure.ok()) {
      visit(BlobInfo{*digest, entry->size});
    }
    return failure.ok();
  }));
  return failure;
}

StatusOr<uint64_t> LocalStore::VariantBytes() {
  uint64_t bytes = 0;
  Status failure;
  RETURN_IF_ERROR(database_.Scan(Table::kVariants, "", [&](string_view, string_view value) {
    const StatusOr<ObjectEntry> entry = ObjectEntry::Decode(value);
    failure.Update(entry.status());
    bytes += entry.ok() ? entry->size : 0;
    return failure.ok();
  }));
  RETURN_IF_ERROR(failure);
  return bytes;
}

StatusOr<uint64_t> LocalStore::RemoveVariants() {
  std::vector<Digest> digests;
  RETURN_IF_ERROR(database_.Scan(Table::kVariants, "", [&](string_view key, string_view) {
    const StatusOr<ObjectName> name = ObjectName::FromKey(key);
    if (name.ok() && (digests.empty() || digests.back() != name->digest)) {
      digests.push_back(name->digest);
    }
    return true;
  }));
  uint64_t bytes = 0;
  for (const Digest& digest : digests) {
    const DigestLocks::Guard guard(locks_, digest);
    ASSIGN_OR_RETURN(const uint64_t removed, inodes_.RemoveVariants(digest));
    bytes += removed;
  }
  return bytes;
}

StatusOr<uint64_t> LocalStore::RemoveStrays() {
  uint64_t bytes = 0;
  RETURN_IF_ERROR(files_->List([&](const ObjectName& name, uint64_t size) -> Status {
    const Table table = name.variant.empty() ? Table::kObjects : Table::kVariants;
    const DigestLocks::Guard guard(locks_, name.digest);
    ASSIGN_OR_RETURN(const auto entry, database_.FindSize(table, name.key()));
    if (!entry.has_value()) {
      RETURN_IF_ERROR(files_->Remove(name));
      bytes += size;
    }
    return absl::OkStatus();
  }));
  return bytes;
}

StatusOr<std::vector<Digest>> LocalStore::LostBlobs() {
  std::vector<Digest> lost;
  RETURN_IF_ERROR(database_.Scan(Table::kMeta, kMetaLostPrefix, [&](string_view key, string_view) {
    const StatusOr<Digest> digest = Digest::FromRaw(key.substr(sizeof kMetaLostPrefix - 1));
    if (digest.ok()) {
      lost.push_back(*digest);
    }
    return true;
  }));
  return lost;
}

Status LocalStore::ForgetLostBlobs() {
  ASSIGN_OR_RETURN(const std::vector<Digest> lost, LostBlobs());
  WriteBatch batch;
  for (const Digest& digest : lost) {
    batch.Delete(Table::kMeta, absl::StrCat(kMetaLostPrefix, digest.raw()));
  }
  return database_.Commit(batch, /*sync=*/false);
}

}  // namespace cairn::blob

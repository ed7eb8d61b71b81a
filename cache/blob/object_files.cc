#include "cache/blob/object_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "cache/blob/encoding.h"
#include "runtime/fs/root_dir.h"

namespace cairn::blob {
namespace {

constexpr size_t kVariantBytes = 8;
constexpr char kTemporaryDirectory[] = "tmp";

std::string MetadataTag(const fs::Metadata& metadata) {
  Encoder encoder;
  encoder.Varint(metadata.mode).Varint(metadata.uid).Varint(metadata.gid);
  encoder.Signed(metadata.mtime_ns);
  for (const auto& [name, value] : metadata.xattrs) {
    encoder.String(name).String(value);
  }
  const Digest digest = Digest::Of(encoder.bytes());
  return std::string(digest.raw().data(), kVariantBytes);
}

Status MakeDirectory(int parent, const char* name) {
  if (::mkdirat(parent, name, 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("create ", name));
  }
  return absl::OkStatus();
}

}  // namespace

ObjectName::ObjectName(const Digest& digest, const fs::Metadata& metadata)
    : digest(digest), variant(MetadataTag(metadata)) {}

std::string ObjectName::path() const {
  const std::string hex = digest.hex();
  std::string path = absl::StrCat(hex.substr(0, 2), "/", hex.substr(2));
  if (!variant.empty()) {
    absl::StrAppend(&path, ".", absl::BytesToHexString(variant));
  }
  return path;
}

std::string ObjectName::key() const { return absl::StrCat(digest.raw(), variant); }

StatusOr<ObjectName> ObjectName::FromKey(string_view key) {
  if (key.size() != Digest::kSize && key.size() != Digest::kSize + kVariantBytes) {
    return absl::DataLossError(absl::StrCat("object key of ", key.size(), " bytes"));
  }
  ASSIGN_OR_RETURN(const Digest digest, Digest::FromRaw(key.substr(0, Digest::kSize)));
  ObjectName name(digest);
  name.variant = std::string(key.substr(Digest::kSize));
  return name;
}

std::string ObjectEntry::Encode() const {
  return Encoder().Varint(size).Varint(epoch).Byte(in_database ? 1 : 0).bytes();
}

StatusOr<ObjectEntry> ObjectEntry::Decode(string_view bytes) {
  Decoder decoder(bytes);
  ObjectEntry entry;
  entry.size = decoder.Varint();
  entry.epoch = decoder.Varint();
  entry.in_database = decoder.Byte() != 0;
  RETURN_IF_ERROR(decoder.Finish("object entry"));
  return entry;
}

ObjectFiles::Temporary::~Temporary() {
  if (!path_.empty()) {
    ::unlinkat(objects_fd_, path_.c_str(), 0);
  }
}

StatusOr<std::unique_ptr<ObjectFiles>> ObjectFiles::Open(const std::string& root) {
  ASSIGN_OR_RETURN(const fs::RootDir directory, fs::RootDir::Open(root));
  RETURN_IF_ERROR_IN(MakeDirectory(directory.fd(), "objects"), root);
  UniqueFd objects(::openat(directory.fd(), "objects", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!objects.valid()) {
    return ErrnoStatus(errno, absl::StrCat("open ", root, "/objects"));
  }
  RETURN_IF_ERROR_IN(fs::RemoveTree(objects.get(), kTemporaryDirectory), root);
  RETURN_IF_ERROR_IN(MakeDirectory(objects.get(), kTemporaryDirectory), root);
  return std::unique_ptr<ObjectFiles>(new ObjectFiles(std::move(objects)));
}

StatusOr<std::unique_ptr<ObjectFiles::Temporary>> ObjectFiles::NewTemporary() {
  std::string path = absl::StrCat(kTemporaryDirectory, "/", next_temporary_++);
  UniqueFd fd(::openat(objects_.get(), path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) {
    return ErrnoStatus(errno, "create a file in the blob store");
  }
  return std::make_unique<Temporary>(objects_.get(), std::move(path), std::move(fd));
}

Status ObjectFiles::WithDirectory(const ObjectName& name, string_view what,
                                  const std::function<int()>& call) {
  if (call() == 0) {
    return absl::OkStatus();
  }
  if (errno == ENOENT) {
    RETURN_IF_ERROR(MakeDirectory(objects_.get(), name.digest.hex().substr(0, 2).c_str()));
    if (call() == 0) {
      return absl::OkStatus();
    }
  }
  return ErrnoStatus(errno, absl::StrCat(what, " ", name.path(), " in the blob store"));
}

Status ObjectFiles::Place(Temporary& temporary, const ObjectName& name) {
  const std::string path = name.path();
  RETURN_IF_ERROR(WithDirectory(name, "rename to", [&] {
    return ::renameat(objects_.get(), temporary.path_.c_str(), objects_.get(), path.c_str());
  }));
  temporary.path_.clear();
  return absl::OkStatus();
}

Status ObjectFiles::TakeLink(int directory_fd, const std::string& name, const ObjectName& object) {
  const std::string path = object.path();
  return WithDirectory(object, "link", [&] {
    int result = ::linkat(directory_fd, name.c_str(), objects_.get(), path.c_str(), 0);
    if (result != 0 && errno == EEXIST) {
      ::unlinkat(objects_.get(), path.c_str(), 0);
      result = ::linkat(directory_fd, name.c_str(), objects_.get(), path.c_str(), 0);
    }
    return result;
  });
}

Status ObjectFiles::GiveLink(const ObjectName& object, int directory_fd, const std::string& name) {
  if (::linkat(objects_.get(), object.path().c_str(), directory_fd, name.c_str(), 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("link ", name));
  }
  return absl::OkStatus();
}

StatusOr<UniqueFd> ObjectFiles::OpenFile(const ObjectName& name) {
  const std::string path = name.path();
  UniqueFd fd(::openat(objects_.get(), path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("open blob ", name.digest.ToString()));
  }
  return fd;
}

StatusOr<std::optional<struct stat>> ObjectFiles::Stat(const ObjectName& name) {
  struct stat status;
  if (::fstatat(objects_.get(), name.path().c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    return std::optional<struct stat>(status);
  }
  if (errno == ENOENT) {
    return std::optional<struct stat>();
  }
  return ErrnoStatus(errno, absl::StrCat("stat blob ", name.digest.ToString()));
}

Status ObjectFiles::Remove(const ObjectName& name) {
  if (::unlinkat(objects_.get(), name.path().c_str(), 0) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("remove blob ", name.digest.ToString()));
  }
  return absl::OkStatus();
}

Status ObjectFiles::List(
    const std::function<Status(const ObjectName& name, uint64_t size)>& visit) {
  ASSIGN_OR_RETURN(const std::vector<std::string> directories, fs::ListDirectory(objects_.get()));
  for (const std::string& prefix : directories) {
    if (prefix.size() != 2) {
      continue;
    }
    const UniqueFd directory(
        ::openat(objects_.get(), prefix.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) {
      return ErrnoStatus(errno, absl::StrCat("open objects/", prefix));
    }
    ASSIGN_OR_RETURN(const std::vector<std::string> names, fs::ListDirectory(directory.get()));
    for (const std::string& file : names) {
      const StatusOr<Digest> digest = Digest::FromHex(absl::StrCat(prefix, file.substr(0, 62)));
      struct stat status;
      if (!digest.ok() ||
          ::fstatat(directory.get(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        continue;  // not one of ours, or removed meanwhile
      }
      ObjectName name(*digest);
      if (file.size() == 62 + 1 + 2 * kVariantBytes && file[62] == '.') {
        name.variant = absl::HexStringToBytes(file.substr(63));
      } else if (file.size() != 62) {
        continue;
      }
      RETURN_IF_ERROR(visit(name, static_cast<uint64_t>(status.st_size)));
    }
  }
  return absl::OkStatus();
}

Status ObjectFiles::SyncAll() {
  if (::syncfs(objects_.get()) != 0) {
    return ErrnoStatus(errno, "sync the blob store");
  }
  return absl::OkStatus();
}

Status ObjectFiles::SyncFiles(const std::vector<ObjectName>& names) {
  std::set<std::string> paths;
  for (const ObjectName& name : names) {
    paths.insert(name.path());
    paths.insert(name.digest.hex().substr(0, 2));
  }
  for (const std::string& path : paths) {
    const UniqueFd fd(::openat(objects_.get(), path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid() && errno == ENOENT) {
      continue;
    }
    if (!fd.valid() || ::fsync(fd.get()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("sync ", path, " in the blob store"));
    }
  }
  return absl::OkStatus();
}

Status CopyFileBytes(int from, int to) {
  if (::ioctl(to, FICLONE, from) == 0) {
    return absl::OkStatus();
  }
  off_t offset = 0;
  while (true) {
    const ssize_t copied = ::copy_file_range(from, &offset, to, nullptr, size_t{1} << 30, 0);
    if (copied == 0) {
      return absl::OkStatus();
    }
    if (copied < 0) {
      if (errno == EINTR) {
        continue;
      }
      break;
    }
  }
  if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS &&
      errno != EPERM) {
    return ErrnoStatus(errno, "copy a file of the blob store");
  }
  constexpr uint64_t kChunk = 1 << 20;
  while (true) {
    ASSIGN_OR_RETURN(const std::string chunk, ReadAt(from, static_cast<uint64_t>(offset), kChunk));
    if (chunk.empty()) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR_IN(WriteAll(to, chunk), "copy a file of the blob store");
    offset += static_cast<off_t>(chunk.size());
  }
}

}  // namespace cairn::blob

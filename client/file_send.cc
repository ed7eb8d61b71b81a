#include "client/file_send.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/file_mode.h"
#include "proto/file_sync.grpc.pb.h"
#include "runtime/fs/root_dir.h"

namespace cairn::client {
namespace {

using fsutil::types::Packet;
using moby::filesync::v1::BytesMessage;
using Stream = grpc::ServerReaderWriter<BytesMessage, BytesMessage>;

// A directory export speaks fsutil packets over a method that is declared with BytesMessage. The
// bytes of one message parse as the other with everything in unknown fields, which serialise
// unchanged.
bool ReadPacket(Stream& stream, Packet& packet) {
  BytesMessage message;
  return stream.Read(&message) && packet.ParseFromString(message.SerializeAsString());
}

bool WritePacket(Stream& stream, const Packet& packet) {
  BytesMessage message;
  return message.ParseFromString(packet.SerializeAsString()) && stream.Write(message);
}

// Receives one directory export.
class Receiver {
 public:
  Receiver(const fs::RootDir& root, Stream& stream) : root_(root), stream_(stream) {}

  Status Run() {
    Packet packet;
    while (ReadPacket(stream_, packet)) {
      switch (packet.type()) {
        case Packet::PACKET_STAT:
          RETURN_IF_ERROR(packet.has_stat() ? TakeStat(packet.stat()) : EndOfStats());
          break;
        case Packet::PACKET_DATA:
          RETURN_IF_ERROR(TakeData(packet));
          break;
        case Packet::PACKET_FIN:
          return SetDirectoryTimes();
        case Packet::PACKET_ERR:
          return absl::UnknownError(absl::StrCat("receive files: ", packet.data()));
        default:
          return absl::InvalidArgumentError("receive files: unexpected packet");
      }
    }
    return absl::UnavailableError("receive files: the daemon ended the transfer");
  }

 private:
  struct OpenFile {
    UniqueFd fd;
    fsutil::types::Stat stat;
  };

  Status TakeStat(const fsutil::types::Stat& stat) {
    const uint32_t id = next_id_++;
    const fs::Kind kind = KindOfGoMode(stat.mode());
    const uint32_t permissions = PermissionsOfGoMode(stat.mode());
    if (kind == fs::Kind::kDirectory) {
      Status made = root_.MakeDirectory(stat.path(), permissions);
      if (absl::IsAlreadyExists(made)) {
        ASSIGN_OR_RETURN(struct stat there, root_.Stat(stat.path(), false));
        if (!S_ISDIR(there.st_mode)) {
          RETURN_IF_ERROR(root_.Remove(stat.path()));
          made = root_.MakeDirectory(stat.path(), permissions);
        } else {
          made = absl::OkStatus();
        }
      }
      RETURN_IF_ERROR(made);
      directories_.push_back(stat);
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(root_.RemoveAll(stat.path()));
    if (kind == fs::Kind::kSymlink) {
      RETURN_IF_ERROR(root_.Symlink(stat.linkname(), stat.path()));
      return SetTimes(stat);
    }
    if (kind == fs::Kind::kFile && !stat.linkname().empty()) {
      return root_.HardLink(stat.linkname(), stat.path());
    }
    if (kind != fs::Kind::kFile) {
      RETURN_IF_ERROR(root_.MakeNode(
          stat.path(), fs::TypeBits(kind) | permissions,
          makedev(static_cast<unsigned>(stat.devmajor()), static_cast<unsigned>(stat.devminor()))));
      return SetTimes(stat);
    }
    ASSIGN_OR_RETURN(UniqueFd fd,
                     root_.OpenFile(stat.path(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    files_.emplace(id, OpenFile{std::move(fd), stat});
    Packet request;
    request.set_type(Packet::PACKET_REQ);
    request.set_id(id);
    if (!WritePacket(stream_, request)) {
      return absl::UnavailableError("receive files: the daemon is gone");
    }
    return absl::OkStatus();
  }

  Status TakeData(const Packet& packet) {
    const auto file = files_.find(packet.id());
    if (file == files_.end()) {
      return absl::InvalidArgumentError("receive files: data for a file that was not asked for");
    }
    if (!packet.data().empty()) {
      return Annotate(WriteAll(file->second.fd.get(), packet.data()), file->second.stat.path());
    }
    if (::fchmod(file->second.fd.get(), PermissionsOfGoMode(file->second.stat.mode())) != 0) {
      return ErrnoStatus(errno, absl::StrCat("chmod ", file->second.stat.path()));
    }
    RETURN_IF_ERROR(SetTimes(file->second.stat));
    files_.erase(file);
    return MaybeFinish();
  }

  Status EndOfStats() {
    ended_ = true;
    return MaybeFinish();
  }

  Status MaybeFinish() {
    if (!ended_ || !files_.empty()) {
      return absl::OkStatus();
    }
    Packet fin;
    fin.set_type(Packet::PACKET_FIN);
    if (!WritePacket(stream_, fin)) {
      return absl::UnavailableError("receive files: the daemon is gone");
    }
    return absl::OkStatus();
  }

  Status SetTimes(const fsutil::types::Stat& stat) {
    ASSIGN_OR_RETURN(fs::RootDir::Parent parent, root_.OpenParent(stat.path()));
    fs::Metadata metadata{.mode = PermissionsOfGoMode(stat.mode()), .mtime_ns = stat.modtime()};
    return fs::ApplyMetadata(parent.directory.get(), parent.name, KindOfGoMode(stat.mode()),
                             metadata, {.owner = false, .mode = false, .xattrs = false});
  }

  Status SetDirectoryTimes() {
    for (auto stat = directories_.rbegin(); stat != directories_.rend(); ++stat) {
      RETURN_IF_ERROR(SetTimes(*stat));
    }
    return absl::OkStatus();
  }

  const fs::RootDir& root_;
  Stream& stream_;
  uint32_t next_id_ = 0;
  bool ended_ = false;
  std::map<uint32_t, OpenFile> files_;
  std::vector<fsutil::types::Stat> directories_;
};

Status ReceiveBytes(Stream& stream, int fd) {
  BytesMessage message;
  while (stream.Read(&message)) {
    RETURN_IF_ERROR(WriteAll(fd, message.data()));
  }
  return absl::OkStatus();
}

// Into a sibling first, so that a failed export leaves what was there.
Status ReceiveFile(grpc::ServerContext& context, Stream& stream, const std::string& path) {
  const std::string temporary = absl::StrCat(path, ".cairn-", ::getpid());
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("create ", path));
  }
  Status status = ReceiveBytes(stream, fd.get());
  if (status.ok() && context.IsCancelled()) {
    status = absl::CancelledError("context canceled");
  }
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, absl::StrCat("write ", path));
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
  }
  return status;
}

Status ReceiveDirectory(Stream& stream, const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat("create ", path, ": ", error.message()));
  }
  ASSIGN_OR_RETURN(const fs::RootDir root, fs::RootDir::Open(path));
  return Receiver(root, stream).Run();
}

class FileSendService final : public moby::filesync::v1::FileSend::Service {
 public:
  explicit FileSendService(const std::vector<ExportTarget>& targets) {
    for (const ExportTarget& target : targets) {
      targets_[target.index] = target;
    }
  }

  grpc::Status DiffCopy(grpc::ServerContext* context, Stream* stream) override {
    int index = 0;
    const auto id = context->client_metadata().find("buildkit-attachable-exporter-id");
    if (id != context->client_metadata().end() &&
        !absl::SimpleAtoi(string_view(id->second.data(), id->second.size()), &index)) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "malformed exporter id"};
    }
    const auto target = targets_.find(index);
    if (target == targets_.end()) {
      return {grpc::StatusCode::NOT_FOUND, absl::StrCat("no output for exporter ", index)};
    }
    const Status status = Receive(*context, *stream, target->second);
    return status.ok() ? grpc::Status::OK
                       : grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                                      std::string(status.message()));
  }

 private:
  static Status Receive(grpc::ServerContext& context, Stream& stream, const ExportTarget& target) {
    if (!target.directory.empty()) {
      return ReceiveDirectory(stream, target.directory);
    }
    if (!target.file.empty()) {
      return ReceiveFile(context, stream, target.file);
    }
    return ReceiveBytes(stream, target.descriptor);
  }

  std::map<int, ExportTarget> targets_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFileSendService(const std::vector<ExportTarget>& targets) {
  return std::make_unique<FileSendService>(targets);
}

}  // namespace cairn::client

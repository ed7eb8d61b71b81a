#include "client/file_sync.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/context_walk.h"
#include "client/entry_stat.h"
#include "proto/file_sync.grpc.pb.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"
#include "runtime/fs/root_dir.h"

namespace cairn::client {
namespace {

using fsutil::types::Packet;
using PacketStream = grpc::ServerReaderWriter<Packet, Packet>;

constexpr size_t kChunk = 128 << 10;
// STATs between two looks at what the daemon has asked for meanwhile.
constexpr int kStatsPerTurn = 256;

std::string DecodeQuery(string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        absl::SimpleHexAtoi(text.substr(i + 1, 2), &byte)) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// All values of the request metadata `key`, decoded when its companion says that they are escaped.
std::vector<std::string> MetadataValues(const grpc::ServerContext& context,
                                        const std::string& key) {
  const auto& metadata = context.client_metadata();
  const bool encoded = metadata.count(key + "-encoded") > 0;
  std::vector<std::string> values;
  const auto range = metadata.equal_range(key);
  for (auto it = range.first; it != range.second; ++it) {
    const string_view value(it->second.data(), it->second.size());
    values.push_back(encoded ? DecodeQuery(value) : std::string(value));
  }
  return values;
}

// One DiffCopy: the walk and the files it was asked for.
class Transfer {
 public:
  Transfer(fs::RootDir root, PacketStream& stream) : root_(std::move(root)), stream_(stream) {}

  Status Run(const ContextPatterns& patterns) {
    std::thread reader = StartThread("filesync-read", [this] { ReadRequests(); });
    Status status = Send(patterns);
    if (!status.ok()) {
      Packet error;
      error.set_type(Packet::PACKET_ERR);
      error.set_data(std::string(status.message()));
      stream_.Write(error);
      cancel_.Cancel();
    }
    reader.join();
    return status;
  }

 private:
  struct File {
    uint32_t id;
    std::string path;
  };

  void ReadRequests() {
    Packet packet;
    while (stream_.Read(&packet)) {
      MutexLock lock(mu_);
      if (packet.type() == Packet::PACKET_REQ) {
        requested_.push_back(packet.id());
      } else if (packet.type() == Packet::PACKET_FIN) {
        finished_ = true;
      } else if (packet.type() == Packet::PACKET_ERR) {
        peer_error_ = packet.data();
      }
      changed_.NotifyAll();
      if (finished_ || !peer_error_.empty()) {
        return;
      }
    }
    MutexLock lock(mu_);
    if (!finished_) {
      peer_error_ = "the daemon ended the transfer";
    }
    changed_.NotifyAll();
  }

  Status Send(const ContextPatterns& patterns) {
    RETURN_IF_ERROR(WalkContext(
        root_, patterns, [this](const fs::WalkEntry& entry) { return SendStat(entry); },
        cancel_.token()));
    Packet end;
    if (!stream_.Write(end)) {
      return absl::UnavailableError("send files: the daemon is gone");
    }
    for (;;) {
      RETURN_IF_ERROR(SendRequested());
      MutexLock lock(mu_);
      while (requested_.empty() && !finished_ && peer_error_.empty()) {
        changed_.Wait(mu_);
      }
      if (!peer_error_.empty()) {
        return absl::UnavailableError(absl::StrCat("send files: ", peer_error_));
      }
      if (finished_ && requested_.empty()) {
        break;
      }
    }
    Packet fin;
    fin.set_type(Packet::PACKET_FIN);
    stream_.Write(fin);
    return absl::OkStatus();
  }

  Status SendStat(const fs::WalkEntry& entry) {
    Packet packet;
    stats_.Fill(entry, packet.mutable_stat());
    if (entry.kind == fs::Kind::kFile && packet.stat().linkname().empty()) {
      files_.push_back({next_id_, entry.path});
    }
    ++next_id_;
    if (!stream_.Write(packet)) {
      return absl::UnavailableError("send files: the daemon is gone");
    }
    return next_id_ % kStatsPerTurn == 0 ? SendRequested() : absl::OkStatus();
  }

  Status SendRequested() {
    for (;;) {
      uint32_t id = 0;
      {
        MutexLock lock(mu_);
        if (requested_.empty()) {
          return absl::OkStatus();
        }
        id = requested_.front();
        requested_.pop_front();
      }
      const auto file =
          std::lower_bound(files_.begin(), files_.end(), id,
                           [](const File& f, uint32_t wanted) { return f.id < wanted; });
      if (file == files_.end() || file->id != id) {
        return absl::InvalidArgumentError(absl::StrCat("invalid file id ", id));
      }
      RETURN_IF_ERROR(SendFile(*file));
    }
  }

  Status SendFile(const File& file) {
    auto fd = root_.OpenFile(file.path, O_RDONLY | O_NOFOLLOW);
    RETURN_IF_ERROR_IN(fd.status(), absl::StrCat("context file ", file.path));
    Packet packet;
    packet.set_type(Packet::PACKET_DATA);
    packet.set_id(file.id);
    for (uint64_t offset = 0;; offset += kChunk) {
      ASSIGN_OR_RETURN_IN(std::string data, ReadAt(fd->get(), offset, kChunk),
                          absl::StrCat("context file ", file.path));
      const bool more = data.size() == kChunk;
      if (!data.empty()) {
        packet.set_data(std::move(data));
        if (!stream_.Write(packet)) {
          return absl::UnavailableError("send files: the daemon is gone");
        }
      }
      if (!more) {
        break;
      }
    }
    packet.clear_data();
    if (!stream_.Write(packet)) {
      return absl::UnavailableError("send files: the daemon is gone");
    }
    return absl::OkStatus();
  }

  const fs::RootDir root_;
  PacketStream& stream_;
  CancelSource cancel_;
  uint32_t next_id_ = 0;
  std::vector<File> files_;  // by id, which only grows
  EntryStats stats_;

  Mutex mu_;
  CondVar changed_;
  std::deque<uint32_t> requested_ ABSL_GUARDED_BY(mu_);
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  std::string peer_error_ ABSL_GUARDED_BY(mu_);
};

class FileSyncService final : public moby::filesync::v1::FileSync::Service {
 public:
  explicit FileSyncService(const std::vector<LocalDirectory>& directories) {
    for (const LocalDirectory& directory : directories) {
      paths_[directory.name] = directory.path;
    }
  }

  grpc::Status DiffCopy(grpc::ServerContext* context, PacketStream* stream) override {
    const std::vector<std::string> names = MetadataValues(*context, "dir-name");
    const std::string name = names.empty() ? "" : names[0];
    const auto path = paths_.find(name);
    if (path == paths_.end()) {
      return {grpc::StatusCode::NOT_FOUND,
              absl::StrCat("no access allowed to dir \"", absl::CHexEscape(name), "\"")};
    }
    auto root = fs::RootDir::Open(path->second);
    if (!root.ok()) {
      return {grpc::StatusCode::FAILED_PRECONDITION, std::string(root.status().message())};
    }
    Transfer transfer(*std::move(root), *stream);
    const Status status = transfer.Run({.include = MetadataValues(*context, "include-patterns"),
                                        .exclude = MetadataValues(*context, "exclude-patterns"),
                                        .follow = MetadataValues(*context, "followpaths")});
    return status.ok() ? grpc::Status::OK
                       : grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                                      std::string(status.message()));
  }

 private:
  std::map<std::string, std::string> paths_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFileSyncService(const std::vector<LocalDirectory>& directories) {
  return std::make_unique<FileSyncService>(directories);
}

}  // namespace cairn::client

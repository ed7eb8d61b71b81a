#include "client/context_sync.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/context_walk.h"
#include "client/entry_stat.h"
#include "proto/context_sync.grpc.pb.h"
#include "runtime/base/digest.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"
#include "runtime/fs/root_dir.h"

namespace cairn::client {
namespace {

using v1::SyncReply;
using v1::SyncRequest;
using SyncStream = grpc::ServerReaderWriter<SyncReply, SyncRequest>;

constexpr int kEntriesPerReply = 256;
constexpr uint64_t kBytesPerReply = 512 << 10;
constexpr size_t kFilesPerTurn = 64;
// Replies that wait to be sent; who makes more waits too.
constexpr uint64_t kMaxQueuedBytes = 8 << 20;
constexpr size_t kMaxWorkers = 2;

// Reads up to `size` bytes from where `fd` is; fewer only at the end of the file.
StatusOr<size_t> ReadSome(int fd, char* buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(fd, buffer + done, size - done);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return ErrnoStatus(errno, "read");
    }
    if (got == 0) {
      break;
    }
    done += static_cast<size_t>(got);
  }
  return done;
}

// One call: the walk, the answers to what is asked, and the one thread that writes both.
class SyncCall {
 public:
  SyncCall(fs::RootDir root, SyncStream& stream) : root_(std::move(root)), stream_(stream) {}

  Status Run(const ContextPatterns& patterns) {
    std::thread reader = StartThread("sync-read", [this] { ReadRequests(); });
    std::thread walker = StartThread("sync-walk", [this, &patterns] { List(patterns); });
    WriteReplies();
    cancel_.Cancel();
    walker.join();
    std::vector<std::thread> workers;
    {
      MutexLock lock(mu_);
      workers.swap(workers_);
    }
    for (std::thread& worker : workers) {
      worker.join();
    }
    // Until the daemon ends its side, which it does once it is done or was told of a failure.
    reader.join();
    MutexLock lock(mu_);
    return failure_;
  }

 private:
  struct File {
    std::string path;  // empty when the entry is no file with bytes of its own
    uint64_t size = 0;
  };
  struct Wish {
    uint32_t id = 0;
    bool digest = false;
    File file;
  };

  void ReadRequests() {
    SyncRequest request;
    while (stream_.Read(&request)) {
      MutexLock lock(mu_);
      AddWishes(request.digests(), true);
      AddWishes(request.contents(), false);
      done_ = done_ || request.done();
      changed_.NotifyAll();
    }
    MutexLock lock(mu_);
    if (!done_) {
      Fail(absl::UnavailableError("send files: the daemon ended the transfer"));
    }
  }

  void AddWishes(const google::protobuf::RepeatedField<uint32_t>& ids, bool digest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (const uint32_t id : ids) {
      if (id >= files_.size() || files_[id].path.empty()) {
        Fail(absl::InvalidArgumentError(absl::StrCat("send files: no file has the id ", id)));
        return;
      }
      wishes_.push_back({id, digest, files_[id]});
    }
    const size_t wanted =
        std::min(kMaxWorkers, (wishes_.size() + kFilesPerTurn - 1) / kFilesPerTurn);
    while (!stopped_ && workers_.size() < wanted) {
      workers_.push_back(StartThread("sync-files", [this] { Answer(); }));
    }
  }

  void List(const ContextPatterns& patterns) {
    EntryStats stats;
    SyncReply reply;
    Status status = WalkContext(
        root_, patterns,
        [&](const fs::WalkEntry& entry) -> Status {
          fsutil::types::Stat* stat = reply.add_entries();
          stats.Fill(entry, stat);
          const bool file = entry.kind == fs::Kind::kFile && stat->linkname().empty();
          {
            MutexLock lock(mu_);
            files_.push_back(file ? File{entry.path, static_cast<uint64_t>(entry.status.st_size)}
                                  : File{});
          }
          if (reply.entries_size() == kEntriesPerReply) {
            RETURN_IF_ERROR(Send(std::exchange(reply, {}), kEntriesPerReply * 128));
          }
          return absl::OkStatus();
        },
        cancel_.token());
    if (status.ok()) {
      reply.set_entries_end(true);
      status = Send(std::move(reply), 0);
    }
    MutexLock lock(mu_);
    Fail(status);
  }

  void Answer() {
    std::string buffer(kBytesPerReply, '\0');
    for (;;) {
      std::vector<Wish> turn;
      {
        MutexLock lock(mu_);
        while (wishes_.empty() && !stopped_) {
          changed_.Wait(mu_);
        }
        if (stopped_) {
          return;
        }
        uint64_t bytes = 0;
        while (!wishes_.empty() && turn.size() < kFilesPerTurn && bytes < kBytesPerReply) {
          turn.push_back(std::move(wishes_.front()));
          wishes_.pop_front();
          bytes += turn.back().file.size;
        }
      }
      SyncReply reply;
      uint64_t bytes = 0;
      Status status;
      for (size_t i = 0; i < turn.size() && status.ok(); ++i) {
        status = Annotate(AnswerOne(turn[i], buffer, reply, bytes),
                          absl::StrCat("context file ", turn[i].file.path));
      }
      if (status.ok()) {
        status = Send(std::move(reply), bytes);
      }
      if (!status.ok()) {
        MutexLock lock(mu_);
        Fail(status);
        return;
      }
    }
  }

  Status AnswerOne(const Wish& wish, std::string& buffer, SyncReply& reply, uint64_t& bytes) {
    ASSIGN_OR_RETURN(const UniqueFd fd, root_.OpenFile(wish.file.path, O_RDONLY | O_NOFOLLOW));
    Hasher hasher;
    uint64_t size = 0;
    // One more than is there: a file of the listed size is read to its end at the first attempt.
    const uint64_t first = std::min(wish.file.size + 1, kBytesPerReply);
    for (uint64_t chunk = first;; chunk = kBytesPerReply) {
      ASSIGN_OR_RETURN(const size_t got, ReadSome(fd.get(), buffer.data(), chunk));
      const bool end = got < chunk;
      const string_view data(buffer.data(), got);
      size += got;
      if (wish.digest) {
        hasher.Update(data);
      } else {
        v1::FilePiece* piece = reply.add_pieces();
        piece->set_id(wish.id);
        piece->set_data(data.data(), data.size());
        piece->set_end(end);
        bytes += got;
        if (bytes >= kBytesPerReply) {
          RETURN_IF_ERROR(Send(std::exchange(reply, {}), std::exchange(bytes, 0)));
        }
      }
      if (end) {
        break;
      }
    }
    if (wish.digest) {
      v1::FileDigest* digest = reply.add_digests();
      digest->set_id(wish.id);
      const Digest value = hasher.Finish();
      digest->set_sha256(value.raw().data(), Digest::kSize);
      digest->set_size(size);
    }
    return absl::OkStatus();
  }

  // Queues `reply`, of about `bytes`.
  Status Send(SyncReply reply, uint64_t bytes) {
    MutexLock lock(mu_);
    while (queued_bytes_ > kMaxQueuedBytes && !stopped_) {
      changed_.Wait(mu_);
    }
    if (stopped_) {
      return absl::CancelledError("send files: the transfer has ended");
    }
    queued_bytes_ += bytes;
    replies_.emplace_back(std::move(reply), bytes);
    changed_.NotifyAll();
    return absl::OkStatus();
  }

  // Until the daemon is done or something failed.
  void WriteReplies() {
    for (;;) {
      SyncReply reply;
      {
        MutexLock lock(mu_);
        while (replies_.empty() && !done_ && failure_.ok()) {
          changed_.Wait(mu_);
        }
        stopped_ = !failure_.ok() || replies_.empty();
        if (!failure_.ok()) {
          reply.set_error(std::string(failure_.message()));
        } else if (!stopped_) {
          reply = std::move(replies_.front().first);
          queued_bytes_ -= replies_.front().second;
          replies_.pop_front();
        }
        changed_.NotifyAll();
        if (stopped_ && failure_.ok()) {
          return;
        }
      }
      const bool written = stream_.Write(reply);
      MutexLock lock(mu_);
      if (stopped_) {
        return;
      }
      if (!written) {
        Fail(absl::UnavailableError("send files: the daemon is gone"));
      }
    }
  }

  // The first failure stays.
  void Fail(const Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!stopped_) {
      failure_.Update(status);
    }
    changed_.NotifyAll();
  }

  const fs::RootDir root_;
  SyncStream& stream_;
  CancelSource cancel_;

  Mutex mu_;
  CondVar changed_;
  std::vector<File> files_ ABSL_GUARDED_BY(mu_);  // by id
  std::deque<Wish> wishes_ ABSL_GUARDED_BY(mu_);
  std::deque<std::pair<SyncReply, uint64_t>> replies_ ABSL_GUARDED_BY(mu_);
  uint64_t queued_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::thread> workers_ ABSL_GUARDED_BY(mu_);
  bool done_ ABSL_GUARDED_BY(mu_) = false;     // said the daemon
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;  // nothing more is written
  Status failure_ ABSL_GUARDED_BY(mu_);
};

class ContextSyncService final : public v1::ContextSync::Service {
 public:
  explicit ContextSyncService(const std::vector<LocalDirectory>& directories) {
    for (const LocalDirectory& directory : directories) {
      paths_[directory.name] = directory.path;
    }
  }

  grpc::Status Sync(grpc::ServerContext*, SyncStream* stream) override {
    SyncRequest request;
    if (!stream->Read(&request) || !request.has_open()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "the first request does not open a directory"};
    }
    const v1::SyncOpen& open = request.open();
    const auto path = paths_.find(open.dir_name());
    if (path == paths_.end()) {
      return {grpc::StatusCode::NOT_FOUND,
              absl::StrCat("no access allowed to dir \"", absl::CHexEscape(open.dir_name()), "\"")};
    }
    auto root = fs::RootDir::Open(path->second);
    if (!root.ok()) {
      return {grpc::StatusCode::FAILED_PRECONDITION, std::string(root.status().message())};
    }
    const ContextPatterns patterns = {
        .include = {open.include_patterns().begin(), open.include_patterns().end()},
        .exclude = {open.exclude_patterns().begin(), open.exclude_patterns().end()},
        .follow = {open.follow_paths().begin(), open.follow_paths().end()}};
    SyncCall call(*std::move(root), *stream);
    const Status status = call.Run(patterns);
    return status.ok() ? grpc::Status::OK
                       : grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                                      std::string(status.message()));
  }

 private:
  std::map<std::string, std::string> paths_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeContextSyncService(
    const std::vector<LocalDirectory>& directories) {
  return std::make_unique<ContextSyncService>(directories);
}

}  // namespace cairn::client

#include "daemon/session/file_sync.h"

#include <grpcpp/support/sync_stream.h>
#include <sys/stat.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "daemon/session/call.h"
#include "daemon/session/entry_order.h"
#include "proto/file_sync.grpc.pb.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::session {
namespace {

using fsutil::types::Packet;
using PacketStream = grpc::ClientReaderWriter<Packet, Packet>;

constexpr char kMetadataFile[] = ".fsutil-metadata";

// Sends REQs from a thread of its own: were they sent by the reader, a sender that stops reading
// until its data is taken would wait for us and we for it.
class RequestWriter {
 public:
  explicit RequestWriter(PacketStream& stream) : stream_(stream) {
    thread_ = StartThread("filesync-req", [this] { Run(); });
  }

  // The call must be over or cancelled, or Finish must have been called.
  ~RequestWriter() {
    {
      MutexLock lock(mu_);
      stopping_ = true;
      changed_.NotifyAll();
    }
    thread_.join();
  }

  void Request(uint32_t id) {
    MutexLock lock(mu_);
    ids_.push_back(id);
    changed_.NotifyAll();
  }

  // Sends FIN after the requests.
  void Finish() {
    MutexLock lock(mu_);
    finish_ = true;
    changed_.NotifyAll();
  }

 private:
  void Run() {
    while (true) {
      std::vector<uint32_t> ids;
      bool finish = false;
      {
        MutexLock lock(mu_);
        while (ids_.empty() && !finish_ && !stopping_) {
          changed_.Wait(mu_);
        }
        ids.swap(ids_);
        finish = finish_;
        if (ids.empty() && !finish) {
          return;
        }
      }
      if (!Send(ids) || finish) {
        if (finish) {
          Packet packet;
          packet.set_type(Packet::PACKET_FIN);
          stream_.Write(packet);
        }
        return;
      }
    }
  }

  bool Send(const std::vector<uint32_t>& ids) {
    Packet packet;
    packet.set_type(Packet::PACKET_REQ);
    for (size_t i = 0; i < ids.size(); ++i) {
      packet.set_id(ids[i]);
      grpc::WriteOptions options;
      if (i + 1 < ids.size()) {
        options.set_buffer_hint();  // more follows at once
      }
      if (!stream_.Write(packet, options)) {
        return false;
      }
    }
    return true;
  }

  PacketStream& stream_;
  Mutex mu_;
  CondVar changed_;
  std::vector<uint32_t> ids_ ABSL_GUARDED_BY(mu_);
  bool finish_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// The receiving side of one transfer.
class Receiver {
 public:
  Receiver(const FileSyncRequest& request, FileSyncSink& sink, PacketStream& stream)
      : request_(request), sink_(sink), stream_(stream), writer_(stream) {}

  // Reads to the end of the stream. An error means that the call must be cancelled before the
  // Receiver is destroyed.
  Status Run() {
    Packet packet;
    while (stream_.Read(&packet)) {
      result_.bytes += packet.ByteSizeLong();
      if (request_.on_progress) {
        request_.on_progress(result_.bytes);
      }
      RETURN_IF_ERROR(Handle(packet));
    }
    return absl::OkStatus();
  }

  // Whether both sides said that they are done.
  bool complete() const { return peer_finished_; }
  const FileSyncResult& result() const { return result_; }

 private:
  Status Handle(const Packet& packet) {
    if (peer_finished_) {
      return absl::InvalidArgumentError("file transfer: packet after the end");
    }
    switch (packet.type()) {
      case Packet::PACKET_STAT:
        return packet.has_stat() ? HandleEntry(packet.stat()) : HandleEntriesEnd();
      case Packet::PACKET_DATA:
        return HandleData(packet);
      case Packet::PACKET_FIN:
        if (!finish_sent_) {
          return absl::InvalidArgumentError("file transfer: ended by the sender too early");
        }
        peer_finished_ = true;
        return absl::OkStatus();
      case Packet::PACKET_ERR:
        return absl::UnknownError(absl::StrCat("error from sender: ", packet.data()));
      default:
        return absl::InvalidArgumentError(
            absl::StrCat("file transfer: packet of type ", static_cast<int>(packet.type())));
    }
  }

  Status HandleEntry(const fsutil::types::Stat& wire) {
    if (list_ended_) {
      return absl::InvalidArgumentError("file transfer: entry after the end of the list");
    }
    if (request_.metadata_only && wire.path() == kMetadataFile) {
      return absl::OkStatus();
    }
    if (result_.entries >= request_.max_entries) {
      return absl::ResourceExhaustedError(
          absl::StrCat("file transfer: more than ", request_.max_entries, " entries"));
    }
    const auto id = static_cast<uint32_t>(result_.entries++);
    const FileStat stat = FromWire(wire);
    if (stat.size < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("file transfer: entry with the size ", stat.size));
    }
    RETURN_IF_ERROR(order_.Add(stat));
    if (S_ISSOCK(stat.mode) || (stat.mode & S_IFMT) == 0) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const bool wanted, sink_.OnEntry(id, stat));
    if (wanted && S_ISREG(stat.mode) && !stat.hard_link) {
      open_.insert(id);
      ++result_.files;
      writer_.Request(id);
    }
    return absl::OkStatus();
  }

  Status HandleEntriesEnd() {
    if (list_ended_) {
      return absl::InvalidArgumentError("file transfer: the list ended twice");
    }
    list_ended_ = true;
    RETURN_IF_ERROR(sink_.OnEntriesEnd());
    FinishIfComplete();
    return absl::OkStatus();
  }

  Status HandleData(const Packet& packet) {
    auto found = open_.find(packet.id());
    if (found == open_.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("file transfer: data for the file ", packet.id(), ", which is not open"));
    }
    if (!packet.data().empty()) {
      return sink_.OnData(packet.id(), packet.data());
    }
    open_.erase(found);
    RETURN_IF_ERROR(sink_.OnFileEnd(packet.id()));
    FinishIfComplete();
    return absl::OkStatus();
  }

  void FinishIfComplete() {
    if (list_ended_ && open_.empty()) {
      finish_sent_ = true;
      writer_.Finish();
    }
  }

  const FileSyncRequest& request_;
  FileSyncSink& sink_;
  PacketStream& stream_;
  EntryOrder order_;
  absl::flat_hash_set<uint32_t> open_;  // requested and not complete
  bool list_ended_ = false;
  bool finish_sent_ = false;
  bool peer_finished_ = false;
  FileSyncResult result_;
  RequestWriter writer_;
};

void AddRequestMetadata(const FileSyncRequest& request, Call& call) {
  call.AddMetadata("dir-name", request.dir_name);
  call.AddMetadata("include-patterns", request.include_patterns);
  call.AddMetadata("exclude-patterns", request.exclude_patterns);
  call.AddMetadata("followpaths", request.follow_paths);
}

}  // namespace

StatusOr<FileSyncResult> ReceiveFiles(const Session& session, const FileSyncRequest& request,
                                      FileSyncSink& sink, const CancelToken& cancel) {
  Call call(session, cancel);
  AddRequestMetadata(request, call);
  auto stub = moby::filesync::v1::FileSync::NewStub(session.channel());
  const std::unique_ptr<PacketStream> stream = stub->DiffCopy(call.context());

  Status received;
  bool complete = false;
  FileSyncResult result;
  {
    Receiver receiver(request, sink, *stream);
    received = receiver.Run();
    complete = receiver.complete();
    result = receiver.result();
    if (!received.ok()) {
      call.Cancel();
    }
  }
  const grpc::Status outcome = stream->Finish();
  if (!received.ok()) {
    RETURN_IF_ERROR(cancel.Check());
    return received;
  }
  RETURN_IF_ERROR(call.Finish(outcome));
  if (!complete) {
    return absl::InvalidArgumentError("file transfer: the sender left before the end");
  }
  return result;
}

}  // namespace cairn::session

#include "daemon/session/file_sync.h"

#include <grpcpp/support/sync_stream.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "daemon/session/call.h"
#include "daemon/session/context_sync.h"
#include "daemon/session/entry_intake.h"
#include "proto/file_sync.grpc.pb.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::session {
namespace {

using fsutil::types::Packet;
using PacketStream = grpc::ClientReaderWriter<Packet, Packet>;

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
          // A sender that reads to the end of the stream must find one.
          stream_.Write(packet, grpc::WriteOptions().set_last_message());
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
class PacketReceiver {
 public:
  PacketReceiver(const FileSyncRequest& request, FileSyncSink& sink, PacketStream& stream)
      : request_(request), sink_(sink), stream_(stream), intake_(request, sink), writer_(stream) {}

  // Reads to the end of the stream. An error means that the call must be cancelled before the
  // PacketReceiver is destroyed.
  Status Run() {
    Packet packet;
    while (stream_.Read(&packet)) {
      result_.bytes += packet.ByteSizeLong();
      if (request_.on_progress) {
        request_.on_progress(result_.bytes);
      }
      RETURN_IF_ERROR(Handle(packet));
    }
    result_.entries = intake_.entries();
    return absl::OkStatus();
  }

  // Whether both sides said that they are done.
  bool complete() const { return peer_finished_; }
  const FileSyncResult& result() const { return result_; }

 private:
  Status Handle(Packet& packet) {
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
    ASSIGN_OR_RETURN(const EntryIntake::Taken taken, intake_.Take(wire));
    if (taken.wanted != Wanted::kNothing) {
      open_.insert(taken.id);
      ++result_.files;
      writer_.Request(taken.id);
    }
    return absl::OkStatus();
  }

  Status HandleEntriesEnd() {
    RETURN_IF_ERROR(intake_.End());
    FinishIfComplete();
    return absl::OkStatus();
  }

  Status HandleData(Packet& packet) {
    auto found = open_.find(packet.id());
    if (found == open_.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("file transfer: data for the file ", packet.id(), ", which is not open"));
    }
    if (!packet.data().empty()) {
      return sink_.OnData(packet.id(), std::move(*packet.mutable_data()));
    }
    open_.erase(found);
    RETURN_IF_ERROR(sink_.OnFileEnd(packet.id()));
    FinishIfComplete();
    return absl::OkStatus();
  }

  void FinishIfComplete() {
    if (intake_.ended() && open_.empty()) {
      finish_sent_ = true;
      writer_.Finish();
    }
  }

  const FileSyncRequest& request_;
  FileSyncSink& sink_;
  PacketStream& stream_;
  EntryIntake intake_;
  absl::flat_hash_set<uint32_t> open_;  // requested and not complete
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
  if (ServesContextSync(session)) {
    return ReceiveContext(session, request, sink, cancel);
  }
  Call call(session, cancel);
  AddRequestMetadata(request, call);
  auto stub = moby::filesync::v1::FileSync::NewStub(session.channel());
  const std::unique_ptr<PacketStream> stream = stub->DiffCopy(call.context());

  Status received;
  bool complete = false;
  FileSyncResult result;
  {
    PacketReceiver receiver(request, sink, *stream);
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

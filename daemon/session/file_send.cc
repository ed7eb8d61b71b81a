#include "daemon/session/file_send.h"

#include <grpcpp/impl/codegen/rpc_method.h>
#include <grpcpp/support/sync_stream.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/session/call.h"
#include "proto/file_sync.grpc.pb.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::session {
namespace {

using fsutil::types::Packet;
using moby::filesync::v1::BytesMessage;
using PacketStream = grpc::ClientReaderWriter<Packet, Packet>;
using ByteMessageStream = grpc::ClientReaderWriter<BytesMessage, BytesMessage>;

constexpr char kMethod[] = "/moby.filesync.v1.FileSend/DiffCopy";
constexpr size_t kDataBytes = 32 << 10;     // of a DATA packet
constexpr size_t kStreamBytes = 256 << 10;  // of a message with a piece of a tar

void AddRequestMetadata(const FileSendRequest& request, Call& call) {
  call.AddMetadata("buildkit-attachable-exporter-id", absl::StrCat(request.exporter_id));
  for (const auto& entry : request.metadata) {
    call.AddMetadata(absl::StrCat("exporter-md-", entry.first), entry.second);
  }
  if (request.multi_platform) {
    call.AddMetadata("buildkit-exporter-multi-platform", "1");
  }
}

// What the client asked for: filled by the thread that reads, emptied by the one that sends.
class RequestQueue {
 public:
  // Reads until the client says FIN or the stream ends.
  void ReadAll(PacketStream& stream) {
    Packet packet;
    while (stream.Read(&packet)) {
      MutexLock lock(mu_);
      if (packet.type() == Packet::PACKET_REQ) {
        ids_.push_back(packet.id());
      } else if (packet.type() == Packet::PACKET_FIN) {
        finished_ = true;
      } else if (packet.type() == Packet::PACKET_ERR) {
        error_ = absl::UnknownError(absl::StrCat("error from receiver: ", packet.data()));
      }
      changed_.NotifyAll();
    }
    MutexLock lock(mu_);
    ended_ = true;
    changed_.NotifyAll();
  }

  // Waits for requests. False when there will be none: the client said FIN, failed or left.
  bool Take(std::vector<uint32_t>* ids) {
    MutexLock lock(mu_);
    while (ids_.empty() && !finished_ && !ended_ && error_.ok()) {
      changed_.Wait(mu_);
    }
    ids->clear();
    ids->swap(ids_);
    return !ids->empty() && error_.ok();
  }

  // OK when the client said FIN.
  Status Outcome() {
    MutexLock lock(mu_);
    if (!error_.ok() || finished_) {
      return error_;
    }
    return absl::UnavailableError("the client left before it had all files");
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::vector<uint32_t> ids_ ABSL_GUARDED_BY(mu_);
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  Status error_ ABSL_GUARDED_BY(mu_);
};

// The sending side of one directory.
class TreeSender {
 public:
  TreeSender(PacketStream& stream, TreeSource& source, RequestQueue& requests,
             const std::function<void(uint64_t)>& on_progress)
      : stream_(stream), source_(source), requests_(requests), on_progress_(on_progress) {}

  Status Run() {
    RETURN_IF_ERROR(SendList());
    std::vector<uint32_t> ids;
    while (requests_.Take(&ids)) {
      for (const uint32_t id : ids) {
        RETURN_IF_ERROR(SendFile(id));
      }
    }
    RETURN_IF_ERROR(requests_.Outcome());
    Packet packet;
    packet.set_type(Packet::PACKET_FIN);
    return Send(packet);
  }

 private:
  Status SendList() {
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<FileStat> stat, source_.NextEntry());
      Packet packet;  // type STAT; without a stat it ends the list
      if (!stat.has_value()) {
        return Send(packet);
      }
      ToWire(*stat, packet.mutable_stat());
      regular_.push_back(S_ISREG(stat->mode) && !stat->hard_link);
      RETURN_IF_ERROR(Send(packet));
    }
  }

  Status SendFile(uint32_t id) {
    if (id >= regular_.size() || !regular_[id]) {
      return absl::InvalidArgumentError(
          absl::StrCat("the client asked for the content of entry ", id, ", which has none"));
    }
    regular_[id] = false;  // at most once
    Packet packet;
    packet.set_type(Packet::PACKET_DATA);
    packet.set_id(id);
    RETURN_IF_ERROR(source_.ReadContent(id, [this, &packet](string_view data) -> Status {
      for (; !data.empty(); data.remove_prefix(std::min(data.size(), kDataBytes))) {
        const string_view piece = data.substr(0, kDataBytes);
        packet.set_data(piece.data(), piece.size());
        RETURN_IF_ERROR(Send(packet));
      }
      return absl::OkStatus();
    }));
    packet.clear_data();
    return Send(packet);
  }

  Status Send(const Packet& packet) {
    if (!stream_.Write(packet)) {
      Status outcome = requests_.Outcome();
      return outcome.ok() ? absl::UnavailableError("the client left") : outcome;
    }
    bytes_ += packet.ByteSizeLong();
    if (on_progress_) {
      on_progress_(bytes_);
    }
    return absl::OkStatus();
  }

  PacketStream& stream_;
  TreeSource& source_;
  RequestQueue& requests_;
  const std::function<void(uint64_t)>& on_progress_;
  std::vector<bool> regular_;  // by id: whether content may be asked for
  uint64_t bytes_ = 0;
};

}  // namespace

Status SendTree(const Session& session, const FileSendRequest& request, TreeSource& source,
                const CancelToken& cancel, const std::function<void(uint64_t)>& on_progress) {
  Call call(session, cancel);
  AddRequestMetadata(request, call);
  // The service's own stub has the tar's message type; the packets need a method of theirs.
  const grpc::internal::RpcMethod method(kMethod, grpc::internal::RpcMethod::BIDI_STREAMING);
  const std::unique_ptr<PacketStream> stream(
      grpc::internal::ClientReaderWriterFactory<Packet, Packet>::Create(session.channel().get(),
                                                                        method, call.context()));
  RequestQueue requests;
  std::thread reader =
      StartThread("filesend-req", [&requests, &stream] { requests.ReadAll(*stream); });
  const Status sent = TreeSender(*stream, source, requests, on_progress).Run();
  if (sent.ok()) {
    stream->WritesDone();
  } else if (!absl::IsUnavailable(sent)) {
    call.Cancel();
  }
  reader.join();
  const grpc::Status outcome = stream->Finish();
  // When the client ended the call, its status says why; our own error only that it did.
  if (!sent.ok() && !absl::IsUnavailable(sent)) {
    RETURN_IF_ERROR(cancel.Check());
    return sent;
  }
  RETURN_IF_ERROR(call.Finish(outcome));
  return sent;
}

class StreamUpload::Stream {
 public:
  Stream(std::shared_ptr<Session> session, const FileSendRequest& request,
         const CancelToken& cancel)
      : session_(std::move(session)),
        call_(*session_, cancel),
        stub_(moby::filesync::v1::FileSend::NewStub(session_->channel())) {
    AddRequestMetadata(request, call_);
    stream_ = stub_->DiffCopy(call_.context());
  }

  ~Stream() {
    if (!finished_) {
      call_.Cancel();
      stream_->Finish();
    }
  }

  bool Write(string_view piece) {
    message_.set_data(piece.data(), piece.size());
    return stream_->Write(message_);
  }

  Status Finish() {
    if (!finished_) {
      finished_ = true;
      stream_->WritesDone();
      while (stream_->Read(&message_)) {
      }
      outcome_ = call_.Finish(stream_->Finish());
    }
    return outcome_;
  }

 private:
  const std::shared_ptr<Session> session_;
  Call call_;
  const std::unique_ptr<moby::filesync::v1::FileSend::Stub> stub_;
  std::unique_ptr<ByteMessageStream> stream_;
  BytesMessage message_;
  bool finished_ = false;
  Status outcome_;  // once finished
};

StatusOr<std::unique_ptr<StreamUpload>> StreamUpload::Open(std::shared_ptr<Session> session,
                                                           const FileSendRequest& request,
                                                           const CancelToken& cancel) {
  RETURN_IF_ERROR(cancel.Check());
  if (!session->Supports(kMethod)) {
    return absl::UnimplementedError(
        absl::StrCat("method ", kMethod, " not supported by the client"));
  }
  auto stream = std::make_unique<Stream>(std::move(session), request, cancel);
  return std::unique_ptr<StreamUpload>(new StreamUpload(std::move(stream)));
}

StreamUpload::StreamUpload(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

StreamUpload::~StreamUpload() = default;

Status StreamUpload::Write(string_view data) {
  for (; !data.empty(); data.remove_prefix(std::min(data.size(), kStreamBytes))) {
    if (!stream_->Write(data.substr(0, kStreamBytes))) {
      Status reason = stream_->Finish();
      return reason.ok() ? absl::UnavailableError("the client ended the upload") : reason;
    }
  }
  return absl::OkStatus();
}

Status StreamUpload::Finish() { return stream_->Finish(); }

}  // namespace cairn::session

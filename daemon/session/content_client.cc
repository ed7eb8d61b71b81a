#include "daemon/session/content_client.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/session/call.h"
#include "proto/content.grpc.pb.h"

namespace cairn::session {
namespace {

namespace content = containerd::services::content::v1;

constexpr char kStoreHeader[] = "buildkit-attachable-store-id";
constexpr size_t kWriteBytes = 1 << 20;

BlobInfo FromWire(const Digest& digest, const content::Info& wire) {
  return {digest,
          static_cast<uint64_t>(std::max<int64_t>(wire.size(), 0)),
          {wire.labels().begin(), wire.labels().end()}};
}

// One blob's way to the client: each message is answered before the next is sent.
class BlobWriter {
 public:
  explicit BlobWriter(
      grpc::ClientReaderWriter<content::WriteContentRequest, content::WriteContentResponse>& stream)
      : stream_(stream) {}

  // False when the client ended the call; its status says why.
  bool Open(const Digest& digest, uint64_t size) {
    request_.set_action(content::STAT);
    request_.set_ref(absl::StrCat("cairn-", digest.ToString()));
    request_.set_total(static_cast<int64_t>(size));
    request_.set_expected(digest.ToString());
    if (!Exchange()) {
      return false;
    }
    request_.Clear();
    request_.set_action(content::WRITE);
    return true;
  }

  bool Write(string_view data) {
    for (; !data.empty(); data.remove_prefix(std::min(data.size(), kWriteBytes))) {
      const string_view piece = data.substr(0, kWriteBytes);
      request_.set_offset(static_cast<int64_t>(offset_));
      request_.set_data(piece.data(), piece.size());
      if (!Exchange()) {
        return false;
      }
      offset_ += piece.size();
    }
    return true;
  }

  bool Commit(const Digest& digest, const std::map<std::string, std::string>& labels) {
    request_.Clear();
    request_.set_action(content::COMMIT);
    request_.set_total(static_cast<int64_t>(offset_));
    request_.set_offset(static_cast<int64_t>(offset_));
    request_.set_expected(digest.ToString());
    request_.mutable_labels()->insert(labels.begin(), labels.end());
    return Exchange();
  }

  // containerd answers the commit twice; a call with an unread message would never finish.
  void Drain() {
    while (stream_.Read(&response_)) {
    }
  }

 private:
  bool Exchange() { return stream_.Write(request_) && stream_.Read(&response_); }

  grpc::ClientReaderWriter<content::WriteContentRequest, content::WriteContentResponse>& stream_;
  content::WriteContentRequest request_;
  content::WriteContentResponse response_;
  uint64_t offset_ = 0;
};

}  // namespace

StatusOr<BlobInfo> ContentClient::Info(const Digest& digest, const CancelToken& cancel) const {
  content::InfoRequest request;
  request.set_digest(digest.ToString());
  content::InfoResponse response;
  Call call(*session_, cancel);
  call.AddMetadata(kStoreHeader, store_id_);
  auto stub = content::Content::NewStub(session_->channel());
  RETURN_IF_ERROR(call.Finish(stub->Info(call.context(), request, &response)));
  return FromWire(digest, response.info());
}

StatusOr<std::vector<BlobInfo>> ContentClient::List(const CancelToken& cancel) const {
  Call call(*session_, cancel);
  call.AddMetadata(kStoreHeader, store_id_);
  auto stub = content::Content::NewStub(session_->channel());
  const auto stream = stub->List(call.context(), content::ListContentRequest());
  std::vector<BlobInfo> blobs;
  content::ListContentResponse response;
  while (stream->Read(&response)) {
    for (const content::Info& info : response.info()) {
      const auto digest = Digest::Parse(info.digest());
      if (digest.ok()) {
        blobs.push_back(FromWire(*digest, info));
      }
    }
  }
  RETURN_IF_ERROR(call.Finish(stream->Finish()));
  return blobs;
}

Status ContentClient::Read(const Digest& digest, uint64_t offset, uint64_t size,
                           const std::function<Status(string_view data)>& write,
                           const CancelToken& cancel) const {
  content::ReadContentRequest request;
  request.set_digest(digest.ToString());
  request.set_offset(static_cast<int64_t>(offset));
  request.set_size(static_cast<int64_t>(size));
  Call call(*session_, cancel);
  call.AddMetadata(kStoreHeader, store_id_);
  auto stub = content::Content::NewStub(session_->channel());
  const auto stream = stub->Read(call.context(), request);
  content::ReadContentResponse response;
  Status written;
  while (written.ok() && stream->Read(&response)) {
    written = write(response.data());
  }
  if (!written.ok()) {
    call.Cancel();
  }
  const grpc::Status outcome = stream->Finish();
  return written.ok() ? call.Finish(outcome) : written;
}

StatusOr<std::string> ContentClient::ReadAll(const Digest& digest, uint64_t limit,
                                             const CancelToken& cancel) const {
  std::string data;
  RETURN_IF_ERROR(Read(
      digest, 0, 0,
      [&data, limit, &digest](string_view piece) -> Status {
        if (data.size() + piece.size() > limit) {
          return absl::ResourceExhaustedError(absl::StrCat(
              "blob ", digest.ToString(), " of the client is larger than ", limit, " bytes"));
        }
        data.append(piece.data(), piece.size());
        return absl::OkStatus();
      },
      cancel));
  if (Digest::Of(data) != digest) {
    return absl::DataLossError(
        absl::StrCat("blob ", digest.ToString(), " of the client has other content"));
  }
  return data;
}

Status ContentClient::Write(const Digest& digest, uint64_t size,
                            const std::map<std::string, std::string>& labels,
                            const Produce& produce, const CancelToken& cancel) const {
  Call call(*session_, cancel);
  call.AddMetadata(kStoreHeader, store_id_);
  auto stub = content::Content::NewStub(session_->channel());
  const auto stream = stub->Write(call.context());
  BlobWriter writer(*stream);
  Status produced;
  bool going = writer.Open(digest, size);
  if (going) {
    produced = produce([&writer, &going](string_view data) -> Status {
      going = going && writer.Write(data);
      return going ? absl::OkStatus() : absl::UnavailableError("the client ended the upload");
    });
  }
  if (going && !produced.ok()) {
    call.Cancel();
    stream->Finish();
    return produced;
  }
  if (going && writer.Commit(digest, labels)) {
    stream->WritesDone();
    writer.Drain();
  }
  const Status outcome = call.Finish(stream->Finish());
  return absl::IsAlreadyExists(outcome) ? absl::OkStatus() : outcome;
}

}  // namespace cairn::session

#include "daemon/control/content_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cairn::control {
namespace {

namespace content = containerd::services::content::v1;

constexpr uint64_t kReadBytes = 1 << 20;  // of one message
constexpr int kListEntries = 100;         // of one message

// One blob: of a history, or of the store.
struct Found {
  blob::BlobInfo info;
  std::optional<std::string> history;  // its bytes
};

StatusOr<Found> Find(blob::BlobStore& blobs, history::History& history, const std::string& text) {
  ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(text));
  ASSIGN_OR_RETURN(std::optional<std::string> bytes, history.ReadBlob(digest));
  if (bytes.has_value()) {
    const uint64_t size = bytes->size();
    return Found{{digest, size}, std::move(bytes)};
  }
  const auto info = blobs.Stat(digest);
  if (absl::IsNotFound(info.status())) {
    return absl::NotFoundError(absl::StrCat("content ", text, ": not found"));
  }
  RETURN_IF_ERROR(info.status());
  return Found{*info, std::nullopt};
}

StatusOr<std::string> ReadPart(blob::BlobStore& blobs, const Found& found, uint64_t offset,
                               uint64_t size) {
  if (found.history.has_value()) {
    return found.history->substr(offset, size);
  }
  ASSIGN_OR_RETURN(const auto reader, blobs.Open(found.info.digest));
  return reader->ReadAt(offset, size);
}

void Encode(const blob::BlobInfo& blob, content::Info* out) {
  out->set_digest(blob.digest.ToString());
  out->set_size(static_cast<int64_t>(blob.size));
}

}  // namespace

grpc::ServerUnaryReactor* ContentService::Info(Context* context,
                                               const content::InfoRequest* request,
                                               content::InfoResponse* response) {
  return UnaryCall<content::InfoRequest, content::InfoResponse>::Start(
      threads_, context, request, response,
      [this](const CallInfo&, const content::InfoRequest& wire,
             content::InfoResponse* out) -> absl::Status {
        ASSIGN_OR_RETURN(const Found found, Find(blobs_, history_, wire.digest()));
        Encode(found.info, out->mutable_info());
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<content::ListContentResponse>* ContentService::List(
    Context* context, const content::ListContentRequest* request) {
  using ListCall = WriteCall<content::ListContentRequest, content::ListContentResponse>;
  return ListCall::Start(
      threads_, context, request,
      [this](const CallInfo&, const content::ListContentRequest&, ListCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const std::vector<blob::BlobInfo> blobs, list_());
        content::ListContentResponse response;
        for (const blob::BlobInfo& blob : blobs) {
          Encode(blob, response.add_info());
          if (response.info_size() == kListEntries) {
            call.Write(response);
            response.Clear();
          }
        }
        if (response.info_size() > 0) {
          call.Write(response);
        }
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<content::ReadContentResponse>* ContentService::Read(
    Context* context, const content::ReadContentRequest* request) {
  using ReadCall = WriteCall<content::ReadContentRequest, content::ReadContentResponse>;
  return ReadCall::Start(
      threads_, context, request,
      [this](const CallInfo&, const content::ReadContentRequest& wire,
             ReadCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const Found found, Find(blobs_, history_, wire.digest()));
        if (wire.offset() < 0 || wire.size() < 0 ||
            static_cast<uint64_t>(wire.offset()) > found.info.size) {
          return absl::OutOfRangeError(absl::StrCat("read past the end of ", wire.digest()));
        }
        uint64_t offset = static_cast<uint64_t>(wire.offset());
        uint64_t left = found.info.size - offset;
        if (wire.size() > 0) {
          left = std::min(left, static_cast<uint64_t>(wire.size()));
        }
        content::ReadContentResponse response;
        while (left > 0) {
          ASSIGN_OR_RETURN(*response.mutable_data(),
                           ReadPart(blobs_, found, offset, std::min(left, kReadBytes)));
          response.set_offset(static_cast<int64_t>(offset));
          if (response.data().empty() || !call.Write(response)) {
            break;
          }
          offset += response.data().size();
          left -= response.data().size();
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ContentService::ListStatuses(Context* context,
                                                       const content::ListStatusesRequest*,
                                                       content::ListStatusesResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace cairn::control

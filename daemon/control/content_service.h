// containerd.services.content.v1.Content over the daemon's blob store, read only: how clients fetch
// logs and provenance of builds.
#pragma once

#include <functional>
#include <vector>

#include "cache/blob/blob_store.h"
#include "daemon/control/rpc_call.h"
#include "daemon/history/history.h"
#include "proto/content.grpc.pb.h"

namespace cairn::control {

// The blobs that clients are shown: those that records of images and histories name.
using ContentLister = std::function<StatusOr<std::vector<blob::BlobInfo>>()>;

// Thread-safe. Calls that would write fail with kUnimplemented, as they do in BuildKit.
class ContentService final : public containerd::services::content::v1::Content::CallbackService {
 public:
  // `threads`, `blobs` and `history` outlive the service.
  ContentService(CallThreads& threads, blob::BlobStore& blobs, history::History& history,
                 ContentLister list)
      : threads_(threads), blobs_(blobs), history_(history), list_(std::move(list)) {}

 private:
  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* Info(
      Context* context, const containerd::services::content::v1::InfoRequest* request,
      containerd::services::content::v1::InfoResponse* response) override;
  grpc::ServerWriteReactor<containerd::services::content::v1::ListContentResponse>* List(
      Context* context,
      const containerd::services::content::v1::ListContentRequest* request) override;
  grpc::ServerWriteReactor<containerd::services::content::v1::ReadContentResponse>* Read(
      Context* context,
      const containerd::services::content::v1::ReadContentRequest* request) override;
  grpc::ServerUnaryReactor* ListStatuses(
      Context* context, const containerd::services::content::v1::ListStatusesRequest* request,
      containerd::services::content::v1::ListStatusesResponse* response) override;

  CallThreads& threads_;
  blob::BlobStore& blobs_;
  history::History& history_;
  const ContentLister list_;
};

}  // namespace cairn::control

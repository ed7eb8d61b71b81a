// An OCI layout as a client serves it, for tests of what is read from one.
#pragma once

#include <map>
#include <string>

#include "proto/content.grpc.pb.h"

namespace cairn::source {

// A client's store "oci:layout" with the blobs of a map.
class LayoutService final : public containerd::services::content::v1::Content::Service {
 public:
  std::map<std::string, std::string> blobs;  // digest -> bytes

 private:
  using InfoRequest = containerd::services::content::v1::InfoRequest;
  using InfoResponse = containerd::services::content::v1::InfoResponse;
  using ReadRequest = containerd::services::content::v1::ReadContentRequest;
  using ReadResponse = containerd::services::content::v1::ReadContentResponse;

  grpc::Status Info(grpc::ServerContext* context, const InfoRequest* request,
                    InfoResponse* response) override {
    const auto store = context->client_metadata().find("buildkit-attachable-store-id");
    const auto found = blobs.find(request->digest());
    if (store == context->client_metadata().end() || store->second != "oci:layout" ||
        found == blobs.end()) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "not found");
    }
    response->mutable_info()->set_size(static_cast<int64_t>(found->second.size()));
    return grpc::Status::OK;
  }
  grpc::Status Read(grpc::ServerContext*, const ReadRequest* request,
                    grpc::ServerWriter<ReadResponse>* stream) override {
    ReadResponse response;
    response.set_data(blobs[request->digest()]);
    stream->Write(response);
    return grpc::Status::OK;
  }
};

}  // namespace cairn::source

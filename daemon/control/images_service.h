// cairn.v1.Images: the daemon's own image store, listed and cleaned by the cairn command.
#pragma once

#include "cache/blob/blob_store.h"
#include "cache/gc/image_store.h"
#include "daemon/control/rpc_call.h"
#include "proto/cairn.grpc.pb.h"

namespace cairn::control {

class ImagesService final : public cairn::v1::Images::CallbackService {
 public:
  // All outlive the service.
  ImagesService(CallThreads& threads, gc::ImageStore& images, blob::BlobStore& blobs)
      : threads_(threads), images_(images), blobs_(blobs) {}

 private:
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const cairn::v1::ListImagesRequest* request,
                                 cairn::v1::ListImagesResponse* response) override;
  grpc::ServerUnaryReactor* Remove(grpc::CallbackServerContext* context,
                                   const cairn::v1::RemoveImageRequest* request,
                                   cairn::v1::RemoveImageResponse* response) override;

  CallThreads& threads_;
  gc::ImageStore& images_;
  blob::BlobStore& blobs_;
};

}  // namespace cairn::control

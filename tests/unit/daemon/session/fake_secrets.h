// A client's secrets service that has the secrets of a map alone.
#pragma once

#include <map>
#include <string>

#include "proto/secrets.grpc.pb.h"

namespace cairn::session::testing {

class FakeSecrets final : public moby::buildkit::secrets::v1::Secrets::Service {
 public:
  std::map<std::string, std::string> values;

 private:
  grpc::Status GetSecret(grpc::ServerContext*,
                         const moby::buildkit::secrets::v1::GetSecretRequest* request,
                         moby::buildkit::secrets::v1::GetSecretResponse* response) override {
    const auto found = values.find(request->id());
    if (found == values.end()) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "?");
    }
    response->set_data(found->second);
    return grpc::Status::OK;
  }
};

}  // namespace cairn::session::testing

#include "daemon/session/secrets.h"

#include "absl/strings/str_cat.h"
#include "daemon/session/call.h"
#include "proto/secrets.grpc.pb.h"

namespace cairn::session {

StatusOr<std::string> GetSecret(const Session& session, string_view id, const CancelToken& cancel) {
  moby::buildkit::secrets::v1::GetSecretRequest request;
  request.set_id(std::string(id));
  moby::buildkit::secrets::v1::GetSecretResponse response;
  Call call(session, cancel);
  auto stub = moby::buildkit::secrets::v1::Secrets::NewStub(session.channel());
  const Status status = call.Finish(stub->GetSecret(call.context(), request, &response));
  if (absl::IsNotFound(status) || absl::IsUnimplemented(status)) {
    return absl::NotFoundError(absl::StrCat("secret ", id, ": not found"));
  }
  RETURN_IF_ERROR(status);
  if (response.data().size() > kMaxSecretBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("secret ", id, ": larger than ", kMaxSecretBytes >> 10, " KiB"));
  }
  return std::move(*response.mutable_data());
}

}  // namespace cairn::session

#include "daemon/session/auth.h"

#include "daemon/session/call.h"
#include "proto/auth.grpc.pb.h"

namespace cairn::session {
namespace {

constexpr absl::Duration kTimeout = absl::Minutes(1);
constexpr char kClientId[] = "buildkit-client";

}  // namespace

StatusOr<Credentials> GetCredentials(const Session& session, string_view host,
                                     const CancelToken& cancel) {
  moby::filesync::v1::CredentialsRequest request;
  request.set_host(std::string(host));
  moby::filesync::v1::CredentialsResponse response;
  Call call(session, cancel, kTimeout);
  auto stub = moby::filesync::v1::Auth::NewStub(session.channel());
  RETURN_IF_ERROR(call.Finish(stub->Credentials(call.context(), request, &response)));
  return Credentials{response.username(), response.secret()};
}

StatusOr<Token> FetchToken(const Session& session, const TokenRequest& request,
                           const CancelToken& cancel) {
  moby::filesync::v1::FetchTokenRequest wire;
  wire.set_clientid(kClientId);
  wire.set_host(request.host);
  wire.set_realm(request.realm);
  wire.set_service(request.service);
  wire.mutable_scopes()->Add(request.scopes.begin(), request.scopes.end());
  moby::filesync::v1::FetchTokenResponse response;
  Call call(session, cancel, kTimeout);
  auto stub = moby::filesync::v1::Auth::NewStub(session.channel());
  RETURN_IF_ERROR(call.Finish(stub->FetchToken(call.context(), wire, &response)));
  return Token{response.token(), response.expiresin(), response.issuedat()};
}

StatusOr<std::string> GetTokenAuthority(const Session& session, string_view host, string_view salt,
                                        const CancelToken& cancel) {
  moby::filesync::v1::GetTokenAuthorityRequest request;
  request.set_host(std::string(host));
  request.set_salt(std::string(salt));
  moby::filesync::v1::GetTokenAuthorityResponse response;
  Call call(session, cancel, kTimeout);
  auto stub = moby::filesync::v1::Auth::NewStub(session.channel());
  RETURN_IF_ERROR(call.Finish(stub->GetTokenAuthority(call.context(), request, &response)));
  return response.publickey();
}

StatusOr<std::string> VerifyTokenAuthority(const Session& session, string_view host,
                                           string_view payload, string_view salt,
                                           const CancelToken& cancel) {
  moby::filesync::v1::VerifyTokenAuthorityRequest request;
  request.set_host(std::string(host));
  request.set_payload(std::string(payload));
  request.set_salt(std::string(salt));
  moby::filesync::v1::VerifyTokenAuthorityResponse response;
  Call call(session, cancel, kTimeout);
  auto stub = moby::filesync::v1::Auth::NewStub(session.channel());
  RETURN_IF_ERROR(call.Finish(stub->VerifyTokenAuthority(call.context(), request, &response)));
  return response.signed_();
}

}  // namespace cairn::session

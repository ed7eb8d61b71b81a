#include "daemon/source/session_credentials.h"

#include "absl/strings/str_cat.h"
#include "daemon/session/auth.h"
#include "runtime/base/digest.h"

namespace cairn::source {
namespace {

// No session, or none that knows about credentials: then there are none.
bool MeansNone(const Status& status) {
  return absl::IsNotFound(status) || absl::IsUnavailable(status) || absl::IsUnimplemented(status);
}

}  // namespace

StatusOr<registry::Credentials> SessionCredentials::GetCredentials(const std::string& host,
                                                                   const CancelToken& cancel) {
  registry::Credentials found;
  const Status status = group_.Any(
      sessions_, cancel, [&](const std::shared_ptr<session::Session>& session) -> Status {
        ASSIGN_OR_RETURN(const session::Credentials credentials,
                         session::GetCredentials(*session, host, cancel));
        found = {credentials.username, credentials.secret};
        return absl::OkStatus();
      });
  if (!status.ok() && !MeansNone(status)) {
    return Annotate(status, absl::StrCat("credentials for ", host));
  }
  return found;
}

StatusOr<std::string> SessionCredentials::Identity(const std::string& host,
                                                   const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const registry::Credentials credentials, GetCredentials(host, cancel));
  if (credentials.empty()) {
    return std::string();
  }
  return Digest::Of(absl::StrCat(host, "\n", credentials.username, "\n", credentials.secret)).hex();
}

StatusOr<std::optional<registry::FetchedToken>> SessionCredentials::FetchToken(
    const registry::TokenRequest& request, const CancelToken& cancel) {
  std::optional<registry::FetchedToken> fetched;
  const Status status = group_.Any(
      sessions_, cancel, [&](const std::shared_ptr<session::Session>& session) -> Status {
        if (!session->Supports("/moby.filesync.v1.Auth/FetchToken")) {
          return absl::UnimplementedError("the client fetches no tokens");
        }
        ASSIGN_OR_RETURN(const session::Token token,
                         session::FetchToken(*session,
                                             {.host = request.host,
                                              .realm = request.realm,
                                              .service = request.service,
                                              .scopes = request.scopes},
                                             cancel));
        fetched = registry::FetchedToken{token.token, token.expires_in};
        return absl::OkStatus();
      });
  if (!status.ok() && !MeansNone(status)) {
    return Annotate(status, absl::StrCat("fetch a token for ", request.host));
  }
  return fetched;
}

}  // namespace cairn::source

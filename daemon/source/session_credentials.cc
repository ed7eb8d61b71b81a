#include "daemon/source/session_credentials.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "daemon/session/auth.h"
#include "runtime/base/digest.h"
#include "runtime/net/signature.h"

namespace cairn::source {
namespace {

constexpr size_t kSaltBytes = 32;
constexpr size_t kKeyBytes = 32;
constexpr size_t kSignatureBytes = 64;
constexpr size_t kMaxRemembered = 4096;

// No session, or none that offers credentials: the build is nobody.
bool IsAbsent(const Status& status) {
  return absl::IsUnavailable(status) || absl::IsUnimplemented(status) || absl::IsNotFound(status);
}

}  // namespace

CredentialBroker::CredentialBroker(session::SessionManager& sessions)
    : sessions_(sessions), salt_(net::RandomBytes(kSaltBytes)) {}

StatusOr<std::string> CredentialBroker::AuthorityOf(const session::Session& session,
                                                    const std::string& host,
                                                    const CancelToken& cancel) {
  const std::pair<std::string, std::string> key(session.id(), host);
  {
    MutexLock lock(mu_);
    const auto found = authorities_.find(key);
    if (found != authorities_.end()) {
      return found->second;
    }
  }
  std::string authority;
  const StatusOr<std::string> shown = session::GetTokenAuthority(session, host, salt_, cancel);
  if (shown.ok() && shown->size() == kKeyBytes) {
    const std::string payload = net::RandomBytes(kSaltBytes);
    const StatusOr<std::string> answer =
        session::VerifyTokenAuthority(session, host, payload, salt_, cancel);
    const bool proven = answer.ok() && answer->size() == kSignatureBytes + payload.size() &&
                        answer->substr(kSignatureBytes) == payload &&
                        net::VerifyEd25519(*shown, payload, answer->substr(0, kSignatureBytes));
    if (!proven) {
      return absl::PermissionDeniedError(
          absl::StrCat("session does not hold the credentials for ", host, " that it shows"));
    }
    authority = *shown;
  } else if (!shown.ok() && !IsAbsent(shown.status())) {
    return shown.status();
  }
  MutexLock lock(mu_);
  if (authorities_.size() >= kMaxRemembered) {
    authorities_.clear();
  }
  authorities_[key] = authority;
  return authority;
}

class CredentialBroker::GroupCredentials final : public registry::CredentialSource {
 public:
  GroupCredentials(CredentialBroker& broker, session::SessionGroup group)
      : broker_(broker), group_(std::move(group)) {}

  StatusOr<std::string> Identity(const std::string& host, const CancelToken& cancel) override {
    ASSIGN_OR_RETURN(const std::string authority, Authority(host, cancel));
    if (!authority.empty()) {
      return absl::StrCat("authority:", absl::BytesToHexString(authority));
    }
    ASSIGN_OR_RETURN(const registry::Credentials credentials, GetCredentials(host, cancel));
    if (credentials.empty()) {
      return std::string();
    }
    return absl::StrCat(
        "password:",
        Digest::Of(absl::StrCat(credentials.username, string_view("\0", 1), credentials.secret))
            .hex());
  }

  StatusOr<registry::Credentials> GetCredentials(const std::string& host,
                                                 const CancelToken& cancel) override {
    registry::Credentials result;
    const Status status = group_.Any(
        broker_.sessions_, cancel, [&](const std::shared_ptr<session::Session>& session) -> Status {
          ASSIGN_OR_RETURN(const session::Credentials found,
                           session::GetCredentials(*session, host, cancel));
          result = {found.username, found.secret};
          return absl::OkStatus();
        });
    if (!status.ok() && !IsAbsent(status)) {
      return Annotate(status, absl::StrCat("credentials for ", host));
    }
    return result;
  }

  StatusOr<std::optional<registry::FetchedToken>> FetchToken(const registry::TokenRequest& request,
                                                             const CancelToken& cancel) override {
    ASSIGN_OR_RETURN(const std::string authority, Authority(request.host, cancel));
    if (authority.empty()) {
      return std::nullopt;
    }
    registry::FetchedToken token;
    RETURN_IF_ERROR(group_.Any(
        broker_.sessions_, cancel, [&](const std::shared_ptr<session::Session>& session) -> Status {
          ASSIGN_OR_RETURN(const std::string own,
                           broker_.AuthorityOf(*session, request.host, cancel));
          if (own != authority) {
            return absl::NotFoundError("another session's credentials");
          }
          ASSIGN_OR_RETURN(const session::Token fetched,
                           session::FetchToken(*session,
                                               {.host = request.host,
                                                .realm = request.realm,
                                                .service = request.service,
                                                .scopes = request.scopes},
                                               cancel));
          token = {fetched.token, fetched.expires_in};
          return absl::OkStatus();
        }));
    return token;
  }

 private:
  // The key of the first session that has one.
  StatusOr<std::string> Authority(const std::string& host, const CancelToken& cancel) {
    std::string authority;
    const Status status = group_.Any(
        broker_.sessions_, cancel, [&](const std::shared_ptr<session::Session>& session) -> Status {
          ASSIGN_OR_RETURN(authority, broker_.AuthorityOf(*session, host, cancel));
          return authority.empty() ? absl::NotFoundError("no authority") : absl::OkStatus();
        });
    if (!status.ok() && !IsAbsent(status)) {
      return Annotate(status, absl::StrCat("credentials for ", host));
    }
    return authority;
  }

  CredentialBroker& broker_;
  const session::SessionGroup group_;
};

std::unique_ptr<registry::CredentialSource> CredentialBroker::For(session::SessionGroup group) {
  return std::make_unique<GroupCredentials>(*this, std::move(group));
}

}  // namespace cairn::source

// SessionCredentials: registry credentials of the clients whose sessions a build has.
//
// Thread-safe. The group and the manager outlive it.
#pragma once

#include "cache/registry/credentials.h"
#include "daemon/session/session_group.h"

namespace cairn::source {

class SessionCredentials final : public registry::CredentialSource {
 public:
  SessionCredentials(session::SessionManager& sessions, const session::SessionGroup& group)
      : sessions_(sessions), group_(group) {}

  // A digest of the credentials: whoever can present the same ones shares tokens, nobody else. ""
  // without credentials.
  StatusOr<std::string> Identity(const std::string& host, const CancelToken& cancel) override;
  StatusOr<registry::Credentials> GetCredentials(const std::string& host,
                                                 const CancelToken& cancel) override;
  StatusOr<std::optional<registry::FetchedToken>> FetchToken(const registry::TokenRequest& request,
                                                             const CancelToken& cancel) override;

 private:
  session::SessionManager& sessions_;
  const session::SessionGroup& group_;
};

}  // namespace cairn::source

// CredentialSource: where the passwords and tokens of whoever a build is for come from.
//
// cache/registry knows no session: the daemon implements this over the session, tests over a map.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::registry {

struct Credentials {
  std::string username;  // empty with a secret: the secret is an identity (refresh) token
  std::string secret;
  bool empty() const { return username.empty() && secret.empty(); }
};

struct TokenRequest {
  std::string host;  // the registry's
  std::string realm;
  std::string service;
  std::vector<std::string> scopes;
};

struct FetchedToken {
  std::string token;
  int64_t expires_in_seconds = 0;  // 0: unknown
};

// Thread-safe.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;

  // A text that is equal for two sources only when they hold the same credentials for `host`;
  // tokens are shared between those. Proven, not claimed.
  virtual StatusOr<std::string> Identity(const std::string& host, const CancelToken& cancel) = 0;

  // The credentials for `host`; empty ones when there are none.
  virtual StatusOr<Credentials> GetCredentials(const std::string& host,
                                               const CancelToken& cancel) = 0;

  // A token fetched by the credentials' owner; nullopt when the owner does not do that, and then
  // GetCredentials is asked.
  virtual StatusOr<std::optional<FetchedToken>> FetchToken(const TokenRequest& request,
                                                           const CancelToken& cancel) = 0;
};

// Nobody's.
class NoCredentials final : public CredentialSource {
 public:
  StatusOr<std::string> Identity(const std::string&, const CancelToken&) override { return ""; }
  StatusOr<Credentials> GetCredentials(const std::string&, const CancelToken&) override {
    return Credentials{};
  }
  StatusOr<std::optional<FetchedToken>> FetchToken(const TokenRequest&,
                                                   const CancelToken&) override {
    return std::nullopt;
  }
};

}  // namespace cairn::registry

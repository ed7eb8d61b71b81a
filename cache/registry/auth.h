// Authorization to registries: challenges (RFC 9110 section 11.6.1), Bearer tokens (distribution's
// token and OAuth2 specifications) and Basic.
//
// A password or identity token is sent to the registry's own host, or to a token server of the same
// domain (registry-1.docker.io -> auth.docker.io), and never over plain HTTP on behalf of an HTTPS
// registry. Tokens are remembered per registry, identity of the credentials, and scopes.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "cache/registry/credentials.h"
#include "cache/registry/hosts.h"
#include "runtime/base/clock.h"
#include "runtime/base/sync.h"
#include "runtime/net/http_client.h"

namespace cairn::registry {

struct Challenge {
  std::string scheme;  // lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;
};

// Parses all WWW-Authenticate headers; malformed ones are left out.
std::vector<Challenge> ParseChallenges(const net::HttpHeaders& headers);

// Joins scopes of one resource, sorts and removes doubles: "repository:a/b:pull,push".
std::vector<std::string> NormalizeScopes(const std::vector<std::string>& scopes);

// Whether a secret for `registry_host` may be sent to the token server `realm_host`.
bool MayReceiveSecret(const std::string& registry_host, const std::string& realm_host);

// Thread-safe.
class Authorizer {
 public:
  // Both outlive it.
  Authorizer(net::HttpClient& http, const Clock& clock) : http_(http), clock_(clock) {}

  // The Authorization header for a request with `scopes`, empty when the endpoint has not asked for
  // one or there is nothing to show.
  StatusOr<std::string> HeaderFor(const Endpoint& endpoint, const std::vector<std::string>& scopes,
                                  CredentialSource& credentials, const CancelToken& cancel);

  // Takes note of a 401: what is asked for, and that the token for `scopes` is no good. Returns the
  // scopes to try again with; nullopt when no known scheme was offered.
  StatusOr<std::optional<std::vector<std::string>>> Learn(const Endpoint& endpoint,
                                                          const net::HttpResponse& response,
                                                          const std::vector<std::string>& scopes,
                                                          CredentialSource& credentials,
                                                          const CancelToken& cancel);

 private:
  struct Demand {
    bool basic = false;
    std::string realm;
    std::string service;
  };
  struct CachedToken {
    std::string token;
    absl::Time expires;
  };

  StatusOr<std::string> KeyOf(const Endpoint& endpoint, CredentialSource& credentials,
                              const CancelToken& cancel);
  StatusOr<FetchedToken> RequestToken(const Endpoint& endpoint, const Demand& demand,
                                      const std::vector<std::string>& scopes,
                                      CredentialSource& credentials, const CancelToken& cancel);
  StatusOr<net::HttpResponse> AskTokenServer(const Endpoint& endpoint, const net::Url& realm,
                                             const Demand& demand,
                                             const std::vector<std::string>& scopes,
                                             const Credentials& credentials,
                                             const CancelToken& cancel);

  net::HttpClient& http_;
  const Clock& clock_;
  Mutex mu_;
  std::map<std::string, Demand> demands_ ABSL_GUARDED_BY(mu_);
  // By key and scopes.
  std::map<std::pair<std::string, std::string>, CachedToken> tokens_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::registry

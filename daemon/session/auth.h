// A client's registry credentials (moby.filesync.v1.Auth).
//
// The client can keep its password to itself: it fetches tokens for the daemon, and proves with a
// signature that it owns the credentials that another session's token was made with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::session {

struct Credentials {
  std::string username;  // empty: `secret` is an identity token, or there are no credentials
  std::string secret;
};

struct TokenRequest {
  std::string host;
  std::string realm;
  std::string service;
  std::vector<std::string> scopes;
};

struct Token {
  std::string token;
  int64_t expires_in = 0;  // seconds; 0 when the registry did not say
  int64_t issued_at = 0;   // seconds since 1970; 0 when it did not say
};

// Every call ends after a minute with kDeadlineExceeded.
StatusOr<Credentials> GetCredentials(const Session& session, string_view host,
                                     const CancelToken& cancel);

// Lets the client fetch a token from the registry's token server.
StatusOr<Token> FetchToken(const Session& session, const TokenRequest& request,
                           const CancelToken& cancel);

// Returns the ed25519 public key that the client derives from its credentials for `host` and
// `salt`. kUnimplemented or kUnavailable: ask for the credentials instead.
StatusOr<std::string> GetTokenAuthority(const Session& session, string_view host, string_view salt,
                                        const CancelToken& cancel);

// Returns the signature (64 bytes) followed by `payload`, as the client signed it.
StatusOr<std::string> VerifyTokenAuthority(const Session& session, string_view host,
                                           string_view payload, string_view salt,
                                           const CancelToken& cancel);

}  // namespace cairn::session

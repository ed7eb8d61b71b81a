// Registry credentials that a build's sessions hold (moby.filesync.v1.Auth), as the registry client
// wants them.
//
// A client that keeps its password to itself gives a public key derived from it and from this
// daemon's salt; a challenge proves that it has the private one. Two sessions with the same proven
// key hold the same credentials and share tokens.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "cache/registry/credentials.h"
#include "daemon/session/session_group.h"
#include "daemon/session/session_manager.h"
#include "runtime/base/sync.h"

namespace cairn::source {

// One for the daemon; thread-safe.
class CredentialBroker {
 public:
  // `sessions` outlives the broker.
  explicit CredentialBroker(session::SessionManager& sessions);

  // The credentials of `group`; the broker outlives them.
  std::unique_ptr<registry::CredentialSource> For(session::SessionGroup group);

 private:
  class GroupCredentials;

  // The proven public key of the session for `host`; empty when it has none to show.
  StatusOr<std::string> AuthorityOf(const session::Session& session, const std::string& host,
                                    const CancelToken& cancel);

  session::SessionManager& sessions_;
  const std::string salt_;
  Mutex mu_;
  // By session id and host.
  std::map<std::pair<std::string, std::string>, std::string> authorities_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::source

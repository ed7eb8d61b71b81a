// A client's SSH agent as a unix socket that a step can use (moby.sshforward.v1.SSH).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::session {

struct SshAgentOptions {
  std::string id = "default";
  uid_t uid = 0;  // of the socket
  gid_t gid = 0;
  mode_t mode = 0600;
};

// Asks whether the client forwards an agent or key under `id`. Errors carry the client's text, such
// as "unset ssh forward key <id>".
Status CheckSshAgent(const Session& session, string_view id, const CancelToken& cancel);

// A listening socket; every connection to it becomes a ForwardAgent stream. The destructor closes
// the connections and removes the socket. Thread-safe.
class SshAgent {
 public:
  // Listens on a socket in a new directory below `parent_directory`.
  static StatusOr<std::unique_ptr<SshAgent>> Listen(std::shared_ptr<Session> session,
                                                    const SshAgentOptions& options,
                                                    const std::string& parent_directory,
                                                    const CancelToken& cancel);
  ~SshAgent();
  SshAgent(const SshAgent&) = delete;
  SshAgent& operator=(const SshAgent&) = delete;

  const std::string& socket_path() const;

 private:
  class Server;
  explicit SshAgent(std::unique_ptr<Server> server);
  std::unique_ptr<Server> server_;
};

}  // namespace cairn::session

// GitSource: the files of a commit of a git repository.
//
// Its key is the commit, and what is wanted of it. What a ref names is asked for once in a build;
// a whole commit hash is not asked about at all. Repositories are fetched without history into ones
// that stay (git_repositories.h). The daemon's machine needs the program git.
//
// Source: protocol.md 5.3 (git:// and git.* attributes), features.md 3.3, security.md 1H.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/gc/ledger.h"
#include "cache/snapshot/snapshotter.h"
#include "daemon/session/session_manager.h"
#include "daemon/session/ssh_agent.h"
#include "daemon/solver/build_memory.h"
#include "daemon/solver/op.h"
#include "daemon/source/git_client.h"
#include "daemon/source/git_fetch.h"
#include "daemon/source/git_identifier.h"
#include "daemon/source/git_repositories.h"

namespace pb {
class SourceOp;
}  // namespace pb

namespace cairn::source {

// What a GitSource works with; all outlive it.
struct GitSourceStores {
  session::SessionManager& sessions;
  layer::ChainStore& chains;
  snapshot::Snapshotter& snapshots;
  gc::Ledger& ledger;
  GitRepositories& repositories;
  std::string sockets;  // directory for those of SSH agents
};

// A commit and the tag on it, as git stores them.
struct GitObjects {
  std::string commit;
  std::string tag;  // empty when there is none
};

class GitSource final : public solver::Op {
 public:
  // kInvalidArgument or kUnimplemented as GitIdentifier::Parse says.
  static StatusOr<std::unique_ptr<GitSource>> Create(const pb::SourceOp& op,
                                                     GitSourceStores stores);

  StatusOr<solver::Prepared> Prepare(solver::OpContext& context) override;
  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext& context,
                                              const std::vector<layer::Chain>& inputs) override;

  // What the source names in this build: asked for once, then remembered there. kFailedPrecondition
  // when it does not have the checksum that is asked for. `reporter` may be null.
  StatusOr<GitTarget> Resolve(const session::SessionGroup& sessions, solver::BuildMemory& build,
                              solver::VertexReporter* reporter, const CancelToken& cancel);

  // Fetches `target`, and sets target.commit where that was not known.
  StatusOr<GitObjects> ReadObjects(GitTarget& target, const session::SessionGroup& sessions,
                                   const CancelToken& cancel);

 private:
  // A client and what it needs while it is used.
  struct Connection {
    std::unique_ptr<session::SshAgent> agent;
    std::unique_ptr<GitClient> client;
  };

  GitSource(GitIdentifier git, GitSourceStores stores)
      : git_(std::move(git)), stores_(std::move(stores)) {}

  // Asks the sessions for what the remote wants. The client's files are in `directory`.
  StatusOr<Connection> Connect(const std::string& directory, const session::SessionGroup& sessions,
                               solver::VertexReporter* reporter, const CancelToken& cancel);
  // The header that the clients keep for this remote; empty when there is none.
  StatusOr<std::string> AuthorizationOf(const session::SessionGroup& sessions,
                                        const CancelToken& cancel);
  StatusOr<std::unique_ptr<session::SshAgent>> OpenAgent(const session::SessionGroup& sessions,
                                                         const CancelToken& cancel);
  StatusOr<std::unique_ptr<GitRepositories::Use>> Acquire(const GitTarget& target, gc::Lease& lease,
                                                          const CancelToken& cancel);

  const GitIdentifier git_;
  const GitSourceStores stores_;
  std::optional<GitTarget> target_;  // from Prepare to Run
};

}  // namespace cairn::source

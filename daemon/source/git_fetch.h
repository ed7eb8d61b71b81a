// What a git remote has under a name, and getting it into a repository of the daemon.
//
// Free functions; each client and repository is used by one thread at a time.
#pragma once

#include <string>

#include "daemon/source/git_client.h"
#include "daemon/source/git_identifier.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::source {

struct GitTarget {
  std::string ref;         // whole name, "refs/heads/main"; or the hash that was asked for
  std::string object;      // hash of the commit, or of the tag that was put on it
  std::string commit;      // hash of the commit, where it is known to be another than `object`
  bool advertised = true;  // the remote said that the ref names the object
};

// What `git` names now: asks the remote, unless a whole hash says it all (then no client is used
// and `client` may be null). kNotFound when the repository has no such ref.
StatusOr<GitTarget> ResolveGit(const GitIdentifier& git, GitClient* client,
                               const CancelToken& cancel);

// kFailedPrecondition unless the target begins with the checksum that `git` asks for.
Status CheckGitChecksum(const GitIdentifier& git, const GitTarget& target);

// Gets the target, without its history if the server can leave that out, into the bare repository,
// which is made if missing; does nothing when it is there. Sets target.commit where the object is a
// tag.
Status FetchGit(GitClient& client, const std::string& repository, GitTarget& target,
                const CancelToken& cancel);

}  // namespace cairn::source

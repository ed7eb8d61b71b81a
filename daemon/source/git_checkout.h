// CheckOutGit: the files of a commit, from a repository of the daemon into a directory.
#pragma once

#include <string>

#include "daemon/source/git_client.h"
#include "daemon/source/git_fetch.h"
#include "daemon/source/git_identifier.h"
#include "daemon/source/git_repositories.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::source {

// Writes what `git` asks for (the subdirectory, submodules, the ".git" directory) of `target`,
// which was fetched into `use`, into the empty directory `directory`. Files are 0644 or 0755,
// directories 0755. kNotFound when there is no such subdirectory, kFailedPrecondition when
// something on the way to it is a link or a file.
Status CheckOutGit(GitClient& client, const GitRepositories::Use& use, const GitIdentifier& git,
                   const GitTarget& target, const std::string& directory,
                   const CancelToken& cancel);

}  // namespace cairn::source

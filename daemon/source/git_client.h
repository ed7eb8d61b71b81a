// GitClient: runs the program git for one remote, in an environment of its own.
//
// Neither the machine's nor a user's configuration is read, no hook or helper runs, nothing asks on
// a terminal, and only http, https, ssh and git are spoken (file between the daemon's own
// directories alone, never for a submodule). The remote's URL and what authenticates against it are
// written into a configuration file that only this user can read: neither shows among the arguments
// or in the environment of what the daemon starts.
//
// Thread-compatible. Whatever it starts ends before a call returns.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/solver/progress.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::source {

// How a remote is reached.
struct GitAccess {
  std::string remote;
  std::string authorization;  // value of an Authorization header, for http; may be empty
  std::string ssh_socket;     // of an agent; may be empty
  std::string known_hosts;    // content; empty: any host key is taken
};

class GitClient {
 public:
  // The name under which a command finds the remote: "fetch kRemote ...".
  static constexpr char kRemote[] = "cairn-source";

  // Writes its files into `directory`, which is private to it and outlives it. `reporter` gets what
  // git tells people; null for nobody.
  static StatusOr<std::unique_ptr<GitClient>> Create(const std::string& directory,
                                                     const GitAccess& access,
                                                     solver::VertexReporter* reporter);

  struct Call {
    std::vector<std::string> arguments;  // "fetch", ...
    std::string git_dir;                 // empty: none
    std::string work_tree;               // where the command runs; empty: in its own directory
  };
  // Runs one command to its end; what it printed. A failure has what git said about it, without
  // credentials. kFailedPrecondition when there is no program git.
  StatusOr<std::string> Run(const Call& call, const CancelToken& cancel);

 private:
  GitClient(std::string remote, std::string directory, std::vector<std::string> environment,
            solver::VertexReporter* reporter)
      : remote_(std::move(remote)),
        directory_(std::move(directory)),
        environment_(std::move(environment)),
        reporter_(reporter) {}

  const std::string remote_;
  const std::string directory_;
  const std::vector<std::string> environment_;
  solver::VertexReporter* const reporter_;
};

}  // namespace cairn::source

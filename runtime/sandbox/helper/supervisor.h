// The process that stays outside of one container from before its start until after its end: it is
// the parent of the container's processes, reports how they end, brings later ones in, and kills
// the container when the daemon goes away.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "runtime/sandbox/helper/container_process.h"
#include "runtime/sandbox/helper/scoped_fd.h"

namespace cairn::sandbox {

class Supervisor {
 public:
  // Takes over both sockets (see launch.h).
  Supervisor(ScopedFd control, ScopedFd setup)
      : control_(std::move(control)), setup_(std::move(setup)) {}

  // Starts the first process and serves until it has ended. Returns the program's exit code.
  int Run(const FirstProcessOptions& options);

 private:
  bool StartFirst(const FirstProcessOptions& options);
  // Handles one frame from the daemon; false at the end of the stream.
  bool ServeRequest();
  void Join(const std::vector<int>& descriptors);
  // Reaps what has ended; true once the first process has.
  bool Reap();
  // What the daemon would do if it still lived: removes the container's control group.
  void RemoveGroups() const;
  void ReportExit(int socket, int status, const rusage& usage) const;

  ScopedFd control_;
  ScopedFd setup_;
  ScopedFd signals_;
  ScopedFd first_pidfd_;
  pid_t first_ = -1;
  // Directories of the control group that the first process enters at once.
  std::vector<std::string> groups_;
  int oom_score_adj_ = 0;
  // Later processes and their status sockets.
  std::map<pid_t, ScopedFd> joined_;
};

}  // namespace cairn::sandbox

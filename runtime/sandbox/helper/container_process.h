// What the processes do that become a container's programs, from their creation to execve.
#pragma once

#include <vector>

namespace cairn::sandbox {

// What a supervisor gives its first process besides the setup socket.
struct FirstProcessOptions {
  // cgroup.procs files of the groups to enter before anything else; closed after that.
  std::vector<int> cgroups;
  // oom_score_adj of everything in the container.
  int oom_score_adj = 0;
};

// The first process: it is in new pid, IPC and UTS namespaces already. Prepares what it can, waits
// for a LaunchRequest on `setup_socket`, makes the container and becomes its program.
[[noreturn]] void RunFirstProcess(int setup_socket, const FirstProcessOptions& options);

// A later process: it is in all of the container's namespaces already. Waits for a LaunchRequest on
// `setup_socket` and becomes its program.
[[noreturn]] void RunJoinedProcess(int setup_socket);

// Sets this process' oom_score_adj, which children inherit. Returns 0 or an errno value. REQUIRES:
// /proc is the host's.
int SetOomScore(int score);

// Enters the groups whose cgroup.procs files are given. Returns 0 or an errno value.
int EnterCgroups(const std::vector<int>& files);

}  // namespace cairn::sandbox

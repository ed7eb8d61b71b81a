// cairn-sandbox: makes one container and supervises it. The daemon starts it, with
//   cairn-sandbox OOM_SCORE_ADJ CGROUPS
// descriptor 3 as control socket, 4 as setup socket (see launch.h), and CGROUPS cgroup.procs files
// from 5 on. It is of no use to people.
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "runtime/sandbox/helper/supervisor.h"

namespace {

constexpr int kControlSocket = 3;
constexpr int kSetupSocket = 4;
constexpr int kFirstCgroup = 5;

bool IsSocket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || !IsSocket(kControlSocket) || !IsSocket(kSetupSocket)) {
    std::fputs("cairn-sandbox is started by the daemon to make a container; see cairnd\n", stderr);
    return 2;
  }
  // Inherited by every process up to its execve: nobody in a container can look into them.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return 2;
  }
  cairn::sandbox::FirstProcessOptions options;
  options.oom_score_adj = std::atoi(argv[1]);
  const int cgroups = std::atoi(argv[2]);
  for (int fd = kFirstCgroup; fd < kFirstCgroup + cgroups; ++fd) {
    options.cgroups.push_back(fd);
  }
  ::syscall(SYS_close_range, static_cast<unsigned>(kFirstCgroup + cgroups), ~0u, 0);
  ::syscall(SYS_close_range, static_cast<unsigned>(kControlSocket), ~0u, CLOSE_RANGE_CLOEXEC);
  cairn::sandbox::Supervisor supervisor{cairn::sandbox::ScopedFd(kControlSocket),
                                        cairn::sandbox::ScopedFd(kSetupSocket)};
  return supervisor.Run(options);
}

#include "runtime/sandbox/helper/supervisor.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "runtime/sandbox/channel.h"
#include "runtime/sandbox/launch.h"

namespace cairn::sandbox {
namespace {

constexpr int kContainerNamespaces =
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;

// A fork with `flags`; `pidfd` (if not null) gets a descriptor of the child.
pid_t Clone(uint64_t flags, int* pidfd) {
  clone_args arguments = {};
  arguments.flags = flags | (pidfd != nullptr ? CLONE_PIDFD : 0);
  arguments.pidfd = reinterpret_cast<uint64_t>(pidfd);
  // With CLONE_PARENT the signal is the creating process' own.
  arguments.exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

uint64_t Microseconds(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1000000 + static_cast<uint64_t>(time.tv_usec);
}

void CloseAll(const std::vector<int>& descriptors) {
  for (const int fd : descriptors) {
    ::close(fd);
  }
}

// The directory that an open file lies in, or an empty string.
std::string DirectoryOf(int file) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
  const std::string whole(path, size > 0 ? static_cast<size_t>(size) : 0);
  return whole.substr(0, whole.find_last_of('/') + 1);
}

}  // namespace

bool Supervisor::StartFirst(const FirstProcessOptions& options) {
  for (const int file : options.cgroups) {
    groups_.push_back(DirectoryOf(file));
  }
  oom_score_adj_ = options.oom_score_adj;
  int pidfd = -1;
  const pid_t child = Clone(CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS, &pidfd);
  if (child == 0) {
    control_.Close();
    signals_.Close();
    RunFirstProcess(setup_.get(), options);
  }
  CloseAll(options.cgroups);
  setup_.Close();
  if (child < 0) {
    return false;
  }
  first_ = child;
  first_pidfd_ = ScopedFd(pidfd);
  return SendFrame(control_.get(), static_cast<uint32_t>(FrameType::kStarted), std::string(),
                   {pidfd}) == 0;
}

int Supervisor::Run(const FirstProcessOptions& options) {
  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child_signal, nullptr);
  signals_ = ScopedFd(::signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid() || !StartFirst(options)) {
    return 1;
  }
  bool daemon_alive = true;
  for (;;) {
    pollfd polls[2] = {{signals_.get(), POLLIN, 0},
                       {daemon_alive ? control_.get() : -1, POLLIN, 0}};
    if (::poll(polls, 2, -1) < 0 && errno != EINTR) {
      return 1;
    }
    if (polls[0].revents != 0) {
      signalfd_siginfo info;
      while (::read(signals_.get(), &info, sizeof info) > 0) {
      }
      if (Reap()) {
        if (!daemon_alive) {
          RemoveGroups();
        }
        return 0;
      }
    }
    if (polls[1].revents != 0 && !ServeRequest()) {
      daemon_alive = false;
      ::syscall(SYS_pidfd_send_signal, first_pidfd_.get(), SIGKILL, nullptr, 0);
    }
  }
}

bool Supervisor::ServeRequest() {
  Frame frame;
  if (ReceiveFrame(control_.get(), frame) != 0) {
    return false;
  }
  if (frame.type == static_cast<uint32_t>(FrameType::kJoin) && frame.descriptors.size() >= 2) {
    Join(frame.descriptors);
  }
  CloseAll(frame.descriptors);
  return true;
}

void Supervisor::Join(const std::vector<int>& descriptors) {
  const int setup = descriptors[0];
  const int status = descriptors[1];
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) {
    return;
  }
  // A process gets into a pid namespace only by being born there, so one enters all namespaces and
  // makes the real one, as this supervisor's child, by CLONE_PARENT.
  const pid_t guide = Clone(0, nullptr);
  if (guide == 0) {
    const std::vector<int> cgroups(descriptors.begin() + 2, descriptors.end());
    pid_t joined = -1;
    if (EnterCgroups(cgroups) == 0 && SetOomScore(oom_score_adj_) == 0 &&
        ::setns(first_pidfd_.get(), kContainerNamespaces) == 0) {
      joined = Clone(CLONE_PARENT, nullptr);
      if (joined == 0) {
        ::close(pipe[0]);
        ::close(pipe[1]);
        ::close(status);
        control_.Close();
        RunJoinedProcess(setup);
      }
    }
    (void)!::write(pipe[1], &joined, sizeof joined);
    ::_exit(0);
  }
  ::close(pipe[1]);
  pid_t joined = -1;
  if (guide < 0 || ::read(pipe[0], &joined, sizeof joined) != sizeof joined) {
    joined = -1;
  }
  ::close(pipe[0]);
  if (guide > 0) {
    ::waitpid(guide, nullptr, 0);
  }
  if (joined <= 0) {
    return;
  }
  const ScopedFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, joined, 0)));
  if (pidfd.valid()) {
    SendFrame(status, static_cast<uint32_t>(FrameType::kStarted), std::string(), {pidfd.get()});
  }
  joined_[joined] = ScopedFd(::fcntl(status, F_DUPFD_CLOEXEC, 3));
}

bool Supervisor::Reap() {
  bool first_ended = false;
  int first_status = 0;
  rusage first_usage = {};
  for (;;) {
    int status = 0;
    rusage usage = {};
    const pid_t pid = ::wait4(-1, &status, WNOHANG, &usage);
    if (pid <= 0) {
      break;
    }
    if (pid == first_) {
      first_ended = true;
      first_status = status;
      first_usage = usage;
      continue;
    }
    const auto joined = joined_.find(pid);
    if (joined != joined_.end()) {
      ReportExit(joined->second.get(), status, usage);
      joined_.erase(joined);
    }
  }
  if (first_ended) {
    ReportExit(control_.get(), first_status, first_usage);
  }
  return first_ended;
}

void Supervisor::RemoveGroups() const {
  for (const std::string& group : groups_) {
    ::rmdir(group.c_str());
  }
}

void Supervisor::ReportExit(int socket, int status, const rusage& usage) const {
  ExitReport report;
  report.wait_status = static_cast<uint64_t>(status);
  report.user_us = Microseconds(usage.ru_utime);
  report.system_us = Microseconds(usage.ru_stime);
  report.max_rss_kib = static_cast<uint64_t>(usage.ru_maxrss);
  SendFrame(socket, static_cast<uint32_t>(FrameType::kExited), Encode(report));
}

}  // namespace cairn::sandbox

#include "runtime/base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace cairn {
namespace {

std::vector<char*> PointersTo(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) {
    pointers.push_back(const_cast<char*>(string.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// RAII for posix_spawn's two option structures.
struct SpawnSetup {
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

// Reads what is there into `out`; returns false at the end of the stream.
bool Drain(int fd, std::string& out, size_t limit) {
  char buffer[1 << 14];
  const ssize_t got = ::read(fd, buffer, sizeof buffer);
  if (got > 0) {
    out.append(buffer, std::min(static_cast<size_t>(got), limit - std::min(limit, out.size())));
    return true;
  }
  return got < 0 && (errno == EINTR || errno == EAGAIN);
}

}  // namespace

StatusOr<std::unique_ptr<Subprocess>> Subprocess::Start(const SubprocessOptions& options) {
  SpawnSetup setup;
  // Ours are copied above every wanted number first, so that no dup2 overwrites one still needed.
  std::vector<UniqueFd> copies;
  bool given[3] = {false, false, false};
  for (const auto& [child, ours] : options.descriptors) {
    UniqueFd copy(::fcntl(ours, F_DUPFD_CLOEXEC, 64));
    if (!copy.valid()) {
      return ErrnoStatus(errno, absl::StrCat("start ", options.argv[0], ": dup"));
    }
    posix_spawn_file_actions_adddup2(&setup.actions, copy.get(), child);
    copies.push_back(std::move(copy));
    if (child < 3) {
      given[child] = true;
    }
  }
  for (int fd = 0; fd < 3; ++fd) {
    if (!given[fd]) {
      posix_spawn_file_actions_addopen(&setup.actions, fd, "/dev/null", O_RDWR, 0);
    }
  }
  if (!options.directory.empty()) {
    posix_spawn_file_actions_addchdir_np(&setup.actions, options.directory.c_str());
  }
  // A child starts with no blocked and no ignored signals, whatever the daemon has set.
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&setup.attributes, &none);
  posix_spawnattr_setsigdefault(&setup.attributes, &defaults);
  const int session = options.new_session || options.kill_group ? POSIX_SPAWN_SETSID : 0;
  posix_spawnattr_setflags(&setup.attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK |
                                                                 POSIX_SPAWN_SETSIGDEF | session));

  std::vector<char*> argv = PointersTo(options.argv);
  std::vector<char*> environment;
  if (options.environment.has_value()) {
    environment = PointersTo(*options.environment);
  }
  pid_t pid = -1;
  const char* program = options.program.empty() ? argv[0] : options.program.c_str();
  const int error = posix_spawnp(&pid, program, &setup.actions, &setup.attributes, argv.data(),
                                 options.environment.has_value() ? environment.data() : environ);
  if (error != 0) {
    return ErrnoStatus(error, absl::StrCat("start ", options.argv[0]));
  }
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return std::unique_ptr<Subprocess>(new Subprocess(pid, std::move(pidfd), options.kill_group));
}

Subprocess::~Subprocess() {
  if (!reaped_ && !disowned_) {
    Kill(SIGKILL);
    (void)Wait();
  }
}

void Subprocess::Kill(int signal) {
  if (kill_group_) {
    // The group has the child's number, which nobody else gets before Wait has reaped the child.
    ::kill(-pid_, signal);
    return;
  }
  // Through the pidfd: a reaped child's number may belong to another process by now.
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

StatusOr<int> Subprocess::Wait(const CancelToken& cancel) {
  {
    const CancelCallback killer(cancel, [this] { Kill(SIGKILL); });
    siginfo_t ended;
    while (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) {
      return ErrnoStatus(errno, "waitpid");
    }
  }
  reaped_ = true;
  RETURN_IF_ERROR(cancel.Check());
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

StatusOr<CommandOutput> RunCommand(SubprocessOptions options, const std::string& input,
                                   const CancelToken& cancel, size_t limit) {
  ASSIGN_OR_RETURN(FdPair in, MakePipe());
  ASSIGN_OR_RETURN(FdPair out, MakePipe());
  ASSIGN_OR_RETURN(FdPair err, MakePipe());
  options.descriptors.insert(options.descriptors.end(),
                             {{0, in.read.get()}, {1, out.write.get()}, {2, err.write.get()}});
  ASSIGN_OR_RETURN(std::unique_ptr<Subprocess> child, Subprocess::Start(options));
  in.read.Reset();
  out.write.Reset();
  err.write.Reset();
  auto killer = std::make_unique<CancelCallback>(cancel, [&child] { child->Kill(SIGKILL); });

  CommandOutput result;
  string_view left = input;
  ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  while (out.read.valid() || err.read.valid()) {
    if (left.empty()) {
      in.write.Reset();
    }
    pollfd polls[3] = {
        {in.write.get(), POLLOUT, 0}, {out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
    if (::poll(polls, 3, -1) < 0 && errno != EINTR) {
      return ErrnoStatus(errno, "poll");
    }
    if (polls[0].revents != 0) {
      const ssize_t written = ::write(in.write.get(), left.data(), left.size());
      if (written > 0) {
        left.remove_prefix(static_cast<size_t>(written));
      } else if (written < 0 && errno != EAGAIN && errno != EINTR) {
        left = {};
      }
    }
    if (polls[1].revents != 0 && !Drain(out.read.get(), result.out, limit)) {
      out.read.Reset();
    }
    if (polls[2].revents != 0 && !Drain(err.read.get(), result.err, limit)) {
      err.read.Reset();
    }
  }
  killer.reset();  // Wait has its own, which ends before the child is reaped
  ASSIGN_OR_RETURN(result.exit_code, child->Wait(cancel));
  return result;
}

}  // namespace cairn

#include "runtime/sandbox/helper/container_process.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/sandbox/channel.h"
#include "runtime/sandbox/helper/container_root.h"
#include "runtime/sandbox/helper/privileges.h"
#include "runtime/sandbox/helper/program.h"
#include "runtime/sandbox/helper/reporter.h"
#include "runtime/sandbox/helper/root_path.h"
#include "runtime/sandbox/helper/scoped_fd.h"
#include "runtime/sandbox/helper/terminal.h"
#include "runtime/sandbox/helper/user_database.h"

namespace cairn::sandbox {
namespace {

// A session of its own: no terminal of the daemon's can be reached.
void StartSession(const Reporter& reporter) {
  if (::setsid() < 0) {
    reporter.Fail(SetupStep::kNamespaces, "start session", errno);
  }
}

// A decoded launch, with the descriptors that are not the standard streams.
struct Launch {
  LaunchRequest request;
  ScopedFd network;
  std::vector<int> cgroups;
};

// Waits for the launch and puts the standard streams in place. A daemon that goes away instead
// ends the process.
Launch ReceiveLaunch(int setup_socket, const Reporter& reporter) {
  Frame frame;
  const int error = ReceiveFrame(setup_socket, frame);
  if (error != 0) {
    ::_exit(error == ENOTCONN ? 0 : 1);
  }
  Launch launch;
  if (frame.type != static_cast<uint32_t>(FrameType::kLaunch) ||
      !Decode(frame.payload, launch.request) || launch.request.process.args.empty()) {
    reporter.Fail(SetupStep::kHelper, "launch request is malformed", 0);
  }
  size_t next = kLaunchStdioDescriptors;
  if (frame.descriptors.size() < next) {
    reporter.Fail(SetupStep::kHelper, "launch request lacks the standard streams", 0);
  }
  for (int stream = 0; stream < static_cast<int>(next); ++stream) {
    // Received descriptors are above 2, because 0, 1 and 2 are always open in a helper.
    if (::dup2(frame.descriptors[static_cast<size_t>(stream)], stream) < 0) {
      reporter.Fail(SetupStep::kHelper, "take over the standard streams", errno);
    }
    ::close(frame.descriptors[static_cast<size_t>(stream)]);
  }
  if (launch.request.network == LaunchRequest::Network::kJoin) {
    if (next >= frame.descriptors.size()) {
      reporter.Fail(SetupStep::kNetwork, "launch request lacks the network namespace", 0);
    }
    launch.network = ScopedFd(frame.descriptors[next++]);
  }
  launch.cgroups.assign(frame.descriptors.begin() + static_cast<ptrdiff_t>(next),
                        frame.descriptors.end());
  return launch;
}

void BringLoopbackUp(const Reporter& reporter) {
  const ScopedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (!socket.valid() || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    reporter.Fail(SetupStep::kNetwork, "bring the loopback interface up", errno);
  }
}

void EnterNetwork(const Launch& launch, const Reporter& reporter) {
  switch (launch.request.network) {
    case LaunchRequest::Network::kHost:
      return;
    case LaunchRequest::Network::kJoin:
      if (::setns(launch.network.get(), CLONE_NEWNET) != 0) {
        reporter.Fail(SetupStep::kNetwork, "join the network namespace", errno);
      }
      return;
    case LaunchRequest::Network::kNone:
      break;
  }
  // Anything else gets the strictest: a namespace with nothing but loopback.
  if (::unshare(CLONE_NEWNET) != 0) {
    reporter.Fail(SetupStep::kNetwork, "make a network namespace", errno);
  }
  BringLoopbackUp(reporter);
}

void EnterNamespaces(const Launch& launch, const Reporter& reporter) {
  const SetupStep step = SetupStep::kNamespaces;
  if (const int error = EnterCgroups(launch.cgroups); error != 0) {
    reporter.Fail(SetupStep::kCgroup, "enter control group", error);
  }
  // The cgroup namespace's root is the group of this moment, so it comes after entering.
  if (::unshare(CLONE_NEWNS | CLONE_NEWCGROUP) != 0) {
    reporter.Fail(step, "make namespaces", errno);
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    reporter.Fail(step, "make mounts private", errno);
  }
  const std::string& hostname = launch.request.hostname;
  if (::sethostname(hostname.data(), hostname.size()) != 0) {
    reporter.Fail(step, "set host name " + hostname, errno);
  }
  EnterNetwork(launch, reporter);
}

UserIdentity FindIdentity(int root, const ProcessSpec& process, const Reporter& reporter) {
  UserIdentity identity;
  const std::string message = ResolveUser(root, process.user, identity);
  if (!message.empty()) {
    reporter.Fail(SetupStep::kUser, message, 0);
  }
  identity.groups.insert(identity.groups.end(), process.additional_groups.begin(),
                         process.additional_groups.end());
  return identity;
}

// The working directory inside `root`, made if it is missing.
ScopedFd OpenDirectory(int root, const ProcessSpec& process, const UserIdentity& identity,
                       const Reporter& reporter) {
  ScopedFd directory = OpenInRoot(root, process.cwd, O_PATH | O_DIRECTORY);
  if (!directory.valid() && errno == ENOENT) {
    MakePathOptions options;
    options.uid = identity.uid;
    options.gid = identity.gid;
    (void)MakePath(root, process.cwd, options);
    directory = OpenInRoot(root, process.cwd, O_PATH | O_DIRECTORY);
  }
  if (!directory.valid()) {
    reporter.Fail(SetupStep::kDirectory, "working directory " + process.cwd, errno);
  }
  return directory;
}

// Goes there, and makes sure that it lies inside the root: the kernel's answer for a directory
// outside does not start with '/'.
void ChangeDirectory(const ScopedFd& directory, const ProcessSpec& process,
                     const Reporter& reporter) {
  char path[PATH_MAX] = {};
  if (::fchdir(directory.get()) != 0 || ::syscall(SYS_getcwd, path, sizeof path) < 0) {
    reporter.Fail(SetupStep::kDirectory, "working directory " + process.cwd, errno);
  }
  if (path[0] != '/') {
    reporter.Fail(SetupStep::kDirectory,
                  "working directory " + process.cwd + " is outside of the container", 0);
  }
}

// Binds the terminal over /dev/console, where programs look for the system's.
void MountConsole(const ContainerRoot& root, int terminal, const Reporter& reporter) {
  const SetupStep step = SetupStep::kTerminal;
  const ScopedFd file(
      ::openat(root.dev(), "console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) {
    reporter.Fail(step, "make /dev/console", errno);
  }
  const ScopedFd target = OpenBeneath(root.dev(), "console", O_PATH | O_NOFOLLOW);
  const ScopedFd clone = root.file_systems().Clone(step, "mount /dev/console", terminal, false);
  root.file_systems().Attach(step, "mount /dev/console", clone.get(), target.get());
}

}  // namespace

int SetOomScore(int score) {
  const ScopedFd file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  const std::string text = std::to_string(score);
  if (!file.valid() ||
      ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return errno;
  }
  return 0;
}

int EnterCgroups(const std::vector<int>& files) {
  for (const int file : files) {
    if (::write(file, "0", 1) != 1) {
      return errno;
    }
    ::close(file);
  }
  return 0;
}

void RunFirstProcess(int setup_socket, const FirstProcessOptions& options) {
  const Reporter reporter(setup_socket);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::umask(0);
  StartSession(reporter);
  // All that does not depend on the request is done while nobody waits for it.
  if (const int error = EnterCgroups(options.cgroups); error != 0) {
    reporter.Fail(SetupStep::kCgroup, "enter control group", error);
  }
  if (const int error = SetOomScore(options.oom_score_adj); error != 0) {
    reporter.Fail(SetupStep::kPrivileges, "set oom_score_adj", error);
  }
  const FileSystems file_systems(reporter);
  DeviceMounts devices = MakeDeviceMounts(file_systems, reporter);
  ScopedFd proc = file_systems.Make(SetupStep::kMount, "mount /proc", "proc", {},
                                    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);

  const Launch launch = ReceiveLaunch(setup_socket, reporter);
  const ProcessSpec& process = launch.request.process;
  EnterNamespaces(launch, reporter);
  ContainerRoot root(launch.request, reporter, std::move(devices), std::move(proc));
  root.MountRoot();
  const UserIdentity identity = FindIdentity(root.root(), process, reporter);
  root.MountInside(identity.uid, identity.gid);
  const ScopedFd directory = OpenDirectory(root.mounted_root(), process, identity, reporter);
  root.Seal();
  if (process.terminal) {
    const ScopedFd terminal = OpenTerminal(root.terminals(), process, reporter);
    MountConsole(root, terminal.get(), reporter);
    UseTerminal(terminal.get(), identity.uid, reporter);
  }
  root.Enter();
  ChangeDirectory(directory, process, reporter);
  SetSecurityLabel(launch.request, reporter);
  DropPrivileges(launch.request, identity, reporter);
  ExecuteProgram(process, identity, reporter);
}

void RunJoinedProcess(int setup_socket) {
  const Reporter reporter(setup_socket);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::umask(0);
  StartSession(reporter);
  const Launch launch = ReceiveLaunch(setup_socket, reporter);
  const ProcessSpec& process = launch.request.process;
  const ScopedFd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const UserIdentity identity = FindIdentity(root.get(), process, reporter);
  const ScopedFd directory = OpenDirectory(root.get(), process, identity, reporter);
  if (process.terminal) {
    const ScopedFd terminals = OpenBeneath(root.get(), "dev/pts", O_PATH | O_DIRECTORY);
    const ScopedFd terminal = OpenTerminal(terminals.get(), process, reporter);
    UseTerminal(terminal.get(), identity.uid, reporter);
  }
  ChangeDirectory(directory, process, reporter);
  SetSecurityLabel(launch.request, reporter);
  DropPrivileges(launch.request, identity, reporter);
  ExecuteProgram(process, identity, reporter);
}

}  // namespace cairn::sandbox

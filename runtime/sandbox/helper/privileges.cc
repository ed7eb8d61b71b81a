#include "runtime/sandbox/helper/privileges.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/sandbox/helper/root_path.h"

namespace cairn::sandbox {
namespace {

constexpr SetupStep kStep = SetupStep::kPrivileges;

void SetLimits(const LaunchRequest& request, const Reporter& reporter) {
  for (const RlimitRequest& limit : request.rlimits) {
    const rlimit value = {limit.soft, limit.hard};
    if (::setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) != 0) {
      reporter.Fail(kStep, "set resource limit " + std::to_string(limit.resource), errno);
    }
  }
}

void InstallFilter(const LaunchRequest& request, const Reporter& reporter) {
  if (request.seccomp_filter.empty()) {
    return;
  }
  std::vector<sock_filter> instructions(request.seccomp_filter.size() / sizeof(sock_filter));
  request.seccomp_filter.copy(reinterpret_cast<char*>(instructions.data()),
                              instructions.size() * sizeof(sock_filter));
  const sock_fprog program = {static_cast<unsigned short>(instructions.size()),
                              instructions.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    reporter.Fail(kStep, "install system call filter", errno);
  }
}

int LastCapability() {
  int last = 0;
  while (::prctl(PR_CAPBSET_READ, last + 1, 0, 0, 0) >= 0) {
    ++last;
  }
  return last;
}

// The capabilities that this process has; a daemon in a container may lack some itself.
uint64_t PermittedCapabilities(const Reporter& reporter) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) {
    reporter.Fail(kStep, "read capabilities", errno);
  }
  return data[0].permitted | static_cast<uint64_t>(data[1].permitted) << 32;
}

void SetCapabilities(uint64_t effective, uint64_t inheritable, const Reporter& reporter) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; ++half) {
    data[half].effective = static_cast<uint32_t>(effective >> (32 * half));
    data[half].permitted = data[half].effective;
    data[half].inheritable = static_cast<uint32_t>(inheritable >> (32 * half));
  }
  if (::syscall(SYS_capset, &header, data) != 0) {
    reporter.Fail(kStep, "set capabilities", errno);
  }
}

void ChangeUser(const UserIdentity& identity, const Reporter& reporter) {
  if (::setgroups(identity.groups.size(), identity.groups.data()) != 0 ||
      ::setresgid(identity.gid, identity.gid, identity.gid) != 0 ||
      ::setresuid(identity.uid, identity.uid, identity.uid) != 0) {
    reporter.Fail(kStep, "change to user " + std::to_string(identity.uid), errno);
  }
}

// A user other than root opens /dev/stdout and the like by its owner and mode.
void GiveStreams(uid_t uid) {
  for (int fd = 0; fd <= 2; ++fd) {
    struct stat info = {};
    if (::fstat(fd, &info) == 0 && info.st_uid != uid &&
        (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode))) {
      // Read-only and foreign files refuse; then the user sees what any program would.
      (void)!::fchown(fd, uid, static_cast<gid_t>(-1));
    }
  }
}

void ResetSignals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) {
    ::sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

void SetSecurityLabel(const LaunchRequest& request, const Reporter& reporter) {
  if (request.apparmor_profile.empty()) {
    return;
  }
  const ScopedFd attribute(::open("/proc/self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC));
  struct statfs info = {};
  // Written to anything but the real procfs the profile would be silently lost.
  if (!attribute.valid() || ::fstatfs(attribute.get(), &info) != 0 ||
      info.f_type != PROC_SUPER_MAGIC) {
    reporter.Fail(kStep, "set AppArmor profile " + request.apparmor_profile, errno);
  }
  const std::string command = "exec " + request.apparmor_profile;
  if (::write(attribute.get(), command.data(), command.size()) !=
      static_cast<ssize_t>(command.size())) {
    reporter.Fail(kStep, "set AppArmor profile " + request.apparmor_profile, errno);
  }
}

void DropPrivileges(const LaunchRequest& request, const UserIdentity& identity,
                    const Reporter& reporter) {
  SetLimits(request, reporter);
  if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0 && errno != ENOSYS) {
    reporter.Fail(kStep, "make session keyring", errno);
  }
  if (identity.uid != 0) {
    GiveStreams(identity.uid);
  }
  InstallFilter(request, reporter);

  const int last = LastCapability();
  const uint64_t all = PermittedCapabilities(reporter);
  const uint64_t bounding = request.insecure ? all : kDefaultCapabilities & all;
  for (int capability = 0; capability <= last; ++capability) {
    if ((bounding >> capability & 1) == 0 && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      reporter.Fail(kStep, "drop capability " + std::to_string(capability), errno);
    }
  }
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) {
    reporter.Fail(kStep, "keep capabilities", errno);
  }
  ChangeUser(identity, reporter);
  if (request.insecure) {
    // Ambient capabilities make the powers last for a user other than root too.
    SetCapabilities(all, all, reporter);
    for (int capability = 0; capability <= last; ++capability) {
      ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
    }
  } else {
    SetCapabilities(identity.uid == 0 ? bounding : 0, 0, reporter);
  }
  // The last two are undone by a change of user. Nobody may look into this process before execve.
  if (::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    reporter.Fail(kStep, "seal process", errno);
  }
  ::umask(0022);
  ResetSignals();
}

}  // namespace cairn::sandbox

#include "runtime/sandbox/helper/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "runtime/sandbox/helper/root_path.h"

namespace cairn::sandbox {

ScopedFd OpenTerminal(int terminals, const ProcessSpec& process, const Reporter& reporter) {
  const SetupStep step = SetupStep::kTerminal;
  const ScopedFd master = OpenBeneath(terminals, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW);
  struct statfs file_system = {};
  struct stat info = {};
  if (!master.valid() || ::fstatfs(master.get(), &file_system) != 0 ||
      ::fstat(master.get(), &info) != 0) {
    reporter.Fail(step, "open terminal", errno);
  }
  if (file_system.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(info.st_mode) ||
      info.st_rdev != makedev(5, 2)) {
    reporter.Fail(step, "open terminal: /dev/pts/ptmx is no terminal multiplexer", 0);
  }
  const int unlocked = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0) {
    reporter.Fail(step, "unlock terminal", errno);
  }
  ScopedFd terminal(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.valid()) {
    reporter.Fail(step, "open terminal", errno);
  }
  if (process.terminal_rows != 0 || process.terminal_columns != 0) {
    winsize size = {};
    size.ws_row = process.terminal_rows;
    size.ws_col = process.terminal_columns;
    ::ioctl(master.get(), TIOCSWINSZ, &size);
  }
  reporter.SendTerminal(master.get());
  return terminal;
}

void UseTerminal(int terminal, unsigned uid, const Reporter& reporter) {
  if (::ioctl(terminal, TIOCSCTTY, 0) != 0) {
    reporter.Fail(SetupStep::kTerminal, "take controlling terminal", errno);
  }
  // The group stays devpts' own (tty).
  if (uid != 0 && ::fchown(terminal, uid, static_cast<gid_t>(-1)) != 0) {
    reporter.Fail(SetupStep::kTerminal, "give terminal to the user", errno);
  }
  for (int stream = 0; stream <= 2; ++stream) {
    if (::dup2(terminal, stream) < 0) {
      reporter.Fail(SetupStep::kTerminal, "use terminal", errno);
    }
  }
}

}  // namespace cairn::sandbox

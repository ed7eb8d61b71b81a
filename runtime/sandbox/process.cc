#include "runtime/sandbox/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "runtime/sandbox/channel.h"

namespace cairn::sandbox {
namespace {

UniqueFd FirstDescriptor(Frame& frame) {
  UniqueFd first;
  for (const int fd : frame.descriptors) {
    UniqueFd owned(fd);
    if (!first.valid()) {
      first = std::move(owned);
    }
  }
  frame.descriptors.clear();
  return first;
}

// The process that `pidfd` refers to, as this namespace numbers it.
StatusOr<int64_t> PidOf(int pidfd) {
  std::ifstream info(absl::StrCat("/proc/self/fdinfo/", pidfd));
  std::string word;
  int64_t pid = -1;
  while (info >> word) {
    if (word == "Pid:" && info >> pid && pid > 0) {
      return pid;
    }
  }
  return absl::FailedPreconditionError("the process is not running");
}

}  // namespace

Process::~Process() {
  if (!ended()) {
    hooks_.kill();
    (void)Wait();
  }
}

void Process::ReadSetup() {
  Frame frame;
  const int error = ReceiveFrame(setup_.get(), frame);
  if (error != 0) {
    setup_.Reset();
    started_at_ = absl::Now();
    return;
  }
  UniqueFd descriptor = FirstDescriptor(frame);
  switch (static_cast<FrameType>(frame.type)) {
    case FrameType::kStubs: {
      StubReport report;
      if (Decode(frame.payload, report)) {
        stubs_ = std::move(report.stubs);
        stub_root_ = std::move(descriptor);
      }
      return;
    }
    case FrameType::kTerminal: {
      MutexLock lock(mu_);
      terminal_for_resize_.Reset(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 3));
      terminal_ = std::move(descriptor);
      return;
    }
    case FrameType::kFailed:
      failure_.emplace();
      if (!Decode(frame.payload, *failure_)) {
        failure_->step = SetupStep::kHelper;
        failure_->message = "sandbox helper sent a malformed report";
      }
      return;
    default:
      return;
  }
}

void Process::ReadStatus() {
  Frame frame;
  if (ReceiveFrame(status_.get(), frame) != 0) {
    status_.Reset();
    return;
  }
  UniqueFd descriptor = FirstDescriptor(frame);
  if (frame.type == static_cast<uint32_t>(FrameType::kStarted)) {
    bool kill = false;
    {
      MutexLock lock(mu_);
      pidfd_ = std::move(descriptor);
      kill = kill_requested_;
    }
    if (kill) {
      KillThroughPidfd();
    }
  } else if (frame.type == static_cast<uint32_t>(FrameType::kExited)) {
    exit_.emplace();
    if (!Decode(frame.payload, *exit_)) {
      exit_.reset();
    }
    status_.Reset();
  }
}

void Process::Pump() {
  pollfd polls[2] = {{setup_.get(), POLLIN, 0}, {status_.get(), POLLIN, 0}};
  if (::poll(polls, 2, -1) < 0) {
    return;
  }
  // What the process said comes before how it ended.
  if (polls[0].revents != 0) {
    ReadSetup();
  }
  if (polls[1].revents != 0) {
    ReadStatus();
  }
}

Status Process::WaitStarted(const CancelToken& cancel) {
  {
    CancelCallback killer(cancel, hooks_.kill);
    while (setup_.valid()) {
      Pump();
    }
  }
  RETURN_IF_ERROR(cancel.Check());
  if (failure_.has_value()) {
    return absl::FailedPreconditionError(failure_->message);
  }
  return absl::OkStatus();
}

RunOutcome Process::Wait(const CancelToken& cancel) {
  if (outcome_.has_value()) {
    return *outcome_;
  }
  {
    CancelCallback killer(cancel, hooks_.kill);
    while (!ended()) {
      Pump();
    }
  }
  RunOutcome outcome = MakeOutcome(cancel.cancelled());
  hooks_.finish(outcome);
  outcome_ = outcome;
  MutexLock lock(mu_);
  pidfd_.Reset();
  terminal_for_resize_.Reset();
  return outcome;
}

RunOutcome Process::MakeOutcome(bool cancelled) const {
  RunOutcome outcome;
  outcome.durations.acquire = acquire_;
  outcome.durations.setup = started_at_ - requested_;
  outcome.durations.run = absl::Now() - started_at_;
  if (exit_.has_value()) {
    outcome.usage.cpu_user = absl::Microseconds(static_cast<int64_t>(exit_->user_us));
    outcome.usage.cpu_system = absl::Microseconds(static_cast<int64_t>(exit_->system_us));
    outcome.usage.peak_memory_bytes = exit_->max_rss_kib << 10;
  }
  const int status = exit_.has_value() ? static_cast<int>(exit_->wait_status) : 0;
  const bool finished_by_itself = exit_.has_value() && WIFEXITED(status) && !failure_.has_value();
  if (cancelled && !finished_by_itself) {
    outcome.kind = RunOutcome::Kind::kCancelled;
    outcome.exit_code = 128 + SIGKILL;
    outcome.signal = SIGKILL;
    return outcome;
  }
  if (failure_.has_value()) {
    const bool exec = failure_->step == SetupStep::kExec;
    outcome.kind = exec ? RunOutcome::Kind::kExited : RunOutcome::Kind::kSetupFailed;
    outcome.exit_code = static_cast<int>(failure_->exit_code);
    outcome.step = failure_->step;
    outcome.message = failure_->message;
    return outcome;
  }
  if (!exit_.has_value()) {
    outcome.kind = RunOutcome::Kind::kSetupFailed;
    outcome.step = SetupStep::kHelper;
    outcome.message = "sandbox helper ended unexpectedly";
    return outcome;
  }
  if (WIFSIGNALED(status)) {
    outcome.kind = RunOutcome::Kind::kSignalled;
    outcome.signal = WTERMSIG(status);
    outcome.exit_code = 128 + outcome.signal;
    return outcome;
  }
  outcome.kind = RunOutcome::Kind::kExited;
  outcome.exit_code = WEXITSTATUS(status);
  return outcome;
}

void Process::KillThroughPidfd() {
  MutexLock lock(mu_);
  kill_requested_ = true;
  if (pidfd_.valid()) {
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  }
}

Status Process::Signal(int signal) {
  MutexLock lock(mu_);
  if (!pidfd_.valid()) {
    return absl::FailedPreconditionError("the process is not running");
  }
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("send signal ", signal));
  }
  return absl::OkStatus();
}

StatusOr<UniqueFd> Process::OpenPidfd() {
  MutexLock lock(mu_);
  if (!pidfd_.valid()) {
    return absl::FailedPreconditionError("the process is not running");
  }
  UniqueFd copy(::fcntl(pidfd_.get(), F_DUPFD_CLOEXEC, 3));
  return copy.valid() ? StatusOr<UniqueFd>(std::move(copy)) : ErrnoStatus(errno, "dup");
}

Status Process::Resize(uint16_t rows, uint16_t columns) {
  MutexLock lock(mu_);
  if (!terminal_for_resize_.valid()) {
    return absl::FailedPreconditionError("the process has no terminal");
  }
  winsize size = {};
  size.ws_row = rows;
  size.ws_col = columns;
  if (::ioctl(terminal_for_resize_.get(), TIOCSWINSZ, &size) != 0) {
    return ErrnoStatus(errno, "resize terminal");
  }
  return absl::OkStatus();
}

StatusOr<UniqueFd> Process::OpenRoot() {
  MutexLock lock(mu_);
  // The number in the descriptor's description is that of the process as long as it is not reaped,
  // which is checked after the directory was opened.
  ASSIGN_OR_RETURN(const int64_t pid, PidOf(pidfd_.get()));
  UniqueFd root(
      ::open(absl::StrCat("/proc/", pid, "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const int error = errno;
  if (!pidfd_.valid() || ::syscall(SYS_pidfd_send_signal, pidfd_.get(), 0, nullptr, 0) != 0) {
    return absl::FailedPreconditionError("the process is not running");
  }
  if (!root.valid()) {
    return ErrnoStatus(error, "open the root directory of a process");
  }
  return root;
}

UniqueFd Process::TakeTerminal() {
  MutexLock lock(mu_);
  return std::move(terminal_);
}

}  // namespace cairn::sandbox

#include "client/process_link.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "client/exit_code.h"
#include "client/render_error.h"
#include "runtime/base/thread_pool.h"

namespace cairn::client {
namespace {

constexpr char kProcess[] = "main";
// The gateway's word for a process that never ran, and what it says of one that exited with that.
constexpr int kNeverRan = 255;
constexpr char kExited255[] = "exit code: 255";

void Notify(int event) {
  const uint64_t one = 1;
  (void)!::write(event, &one, sizeof one);
}

int TimeoutMs(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) {
    return -1;
  }
  return static_cast<int>(
      absl::ToInt64Milliseconds(std::max(deadline - absl::Now(), absl::ZeroDuration())) + 1);
}

}  // namespace

ProcessLink::ProcessLink(GatewayBuild& build, ProcessLinkOptions options)
    : options_(std::move(options)),
      wake_(::eventfd(0, EFD_CLOEXEC)),
      cancelled_(::eventfd(0, EFD_CLOEXEC)) {
  build.Prepare(context_);
  stream_ = build.bridge().ExecProcess(&context_);
}

StatusOr<int> ProcessLink::Run(const CancelToken& cancel) {
  Message init;
  init.set_processid(kProcess);
  init.mutable_init()->set_containerid(options_.container_id);
  *init.mutable_init()->mutable_meta() = options_.meta;
  init.mutable_init()->set_tty(options_.terminal);
  for (uint32_t fd : {0u, 1u, 2u}) {
    init.mutable_init()->add_fds(fd);
  }
  stream_->Write(init);
  const CancelCallback on_cancel(cancel, [this] { Notify(cancelled_.get()); });
  std::thread sender = StartThread("run-input", [this] { SendEvents(); });
  const StatusOr<int> code = ReceiveEvents();
  Notify(wake_.get());
  sender.join();
  context_.TryCancel();
  return code;
}

void ProcessLink::Write(Message message) {
  message.set_processid(kProcess);
  MutexLock lock(write_mu_);
  stream_->Write(message);
}

void ProcessLink::SendSignal(const std::string& name) {
  Message message;
  message.mutable_signal()->set_name(name);
  Write(std::move(message));
}

void ProcessLink::SendSize() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0) {
    Message message;
    message.mutable_resize()->set_rows(size.ws_row);
    message.mutable_resize()->set_cols(size.ws_col);
    Write(std::move(message));
  }
}

void ProcessLink::SendStdin(std::string data, bool end) {
  Message message;
  message.mutable_file()->set_fd(0);
  message.mutable_file()->set_data(std::move(data));
  message.mutable_file()->set_eof(end);
  Write(std::move(message));
}

void ProcessLink::SendEvents() {
  sigset_t window;
  sigemptyset(&window);
  sigaddset(&window, SIGWINCH);
  const UniqueFd resized(options_.follow_size ? ::signalfd(-1, &window, SFD_CLOEXEC) : -1);
  if (options_.follow_size) {
    SendSize();
  }
  bool open = options_.input;
  if (!open && !options_.hold_input) {
    SendStdin("", true);
  }
  absl::Time kill_at = absl::InfiniteFuture();
  for (;;) {
    pollfd polls[4] = {{wake_.get(), POLLIN, 0},
                       {resized.get(), POLLIN, 0},
                       {open ? STDIN_FILENO : -1, POLLIN, 0},
                       {cancelled_.get(), POLLIN, 0}};
    const int ready = ::poll(polls, 4, TimeoutMs(kill_at));
    if (polls[0].revents != 0 || (ready < 0 && errno != EINTR)) {
      return;
    }
    if (ready == 0 && absl::Now() >= kill_at) {
      SendSignal("KILL");
      kill_at = absl::InfiniteFuture();
    }
    if (polls[1].revents != 0) {
      signalfd_siginfo info;
      (void)!::read(resized.get(), &info, sizeof info);
      SendSize();
    }
    if (polls[2].revents != 0) {
      char buffer[32 << 10];
      const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
      open = got > 0;
      SendStdin(got > 0 ? std::string(buffer, static_cast<size_t>(got)) : "", got <= 0);
    }
    if (polls[3].revents != 0) {
      uint64_t count = 0;
      (void)!::read(cancelled_.get(), &count, sizeof count);
      SendSignal(options_.stop_signal());
      kill_at = absl::Now() + options_.grace;
    }
  }
}

StatusOr<int> ProcessLink::ReceiveEvents() {
  int code = 0;
  bool never_ran = false;
  std::string error;
  Message message;
  while (stream_->Read(&message)) {
    if (message.has_started()) {
      never_ran = message.started().never_ran();
      if (!never_ran) {
        options_.started();
      }
    } else if (message.has_file()) {
      options_.output(message.file().fd() == 2 ? STDERR_FILENO : STDOUT_FILENO,
                      message.file().data());
    } else if (message.has_exit()) {
      code = static_cast<int>(message.exit().code());
      error = message.exit().error().message();
    } else if (message.has_done()) {
      if (code == kNeverRan && error != kExited255) {
        return absl::UnknownError(error);
      }
      if (never_ran) {
        return WithExitCode(absl::UnknownError(error), code);
      }
      return code;
    }
  }
  const grpc::Status status = stream_->Finish();
  return status.ok() ? StatusOr<int>(absl::UnavailableError("run: the daemon ended the stream"))
                     : FromDaemon(status);
}

}  // namespace cairn::client

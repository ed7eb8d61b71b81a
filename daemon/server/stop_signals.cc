#include "daemon/server/stop_signals.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

namespace cairn::server {
namespace {

// The one thing a handler can reach. Set once, before the handlers are.
volatile int signal_pipe = -1;

void OnSignal(int number) {
  const int saved = errno;
  const char byte = static_cast<char>(number);
  (void)!write(signal_pipe, &byte, 1);
  errno = saved;
}

}  // namespace

StatusOr<StopSignals> StopSignals::Catch() {
  ASSIGN_OR_RETURN(FdPair pipe, MakePipe());
  signal_pipe = pipe.write.Release();  // stays open as long as the handlers
  struct sigaction action = {};
  action.sa_handler = &OnSignal;
  action.sa_flags = SA_RESTART;
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  if (sigaction(SIGTERM, &action, nullptr) != 0 || sigaction(SIGINT, &action, nullptr) != 0 ||
      sigaction(SIGPIPE, &ignore, nullptr) != 0) {
    return ErrnoStatus(errno, "catch signals");
  }
  return StopSignals(std::move(pipe.read));
}

int StopSignals::Wait() {
  char number = 0;
  while (read(read_.get(), &number, 1) != 1) {
  }
  return number;
}

}  // namespace cairn::server

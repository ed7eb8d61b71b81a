#include "daemon/ops/output_pump.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "runtime/base/thread_pool.h"

namespace cairn::ops {

StatusOr<std::unique_ptr<OutputPump>> OutputPump::Start(sandbox::ProcessIo& io, Sink sink) {
  ASSIGN_OR_RETURN(FdPair out, MakePipe());
  ASSIGN_OR_RETURN(FdPair err, MakePipe());
  io.output = std::move(out.write);
  io.error = std::move(err.write);
  return std::unique_ptr<OutputPump>(
      new OutputPump(std::move(out.read), std::move(err.read), std::move(sink)));
}

std::unique_ptr<OutputPump> OutputPump::Read(UniqueFd terminal, Sink sink) {
  return std::unique_ptr<OutputPump>(
      new OutputPump(std::move(terminal), UniqueFd(), std::move(sink)));
}

OutputPump::OutputPump(UniqueFd out, UniqueFd err, Sink sink)
    : out_(std::move(out)),
      err_(std::move(err)),
      sink_(std::move(sink)),
      thread_(StartThread("step-output", [this] { Run(); })) {}

OutputPump::~OutputPump() { thread_.join(); }

void OutputPump::Run() {
  std::vector<char> buffer(32 << 10);
  while (out_.valid() || err_.valid()) {
    pollfd ready[2] = {{.fd = out_.get(), .events = POLLIN, .revents = 0},
                       {.fd = err_.get(), .events = POLLIN, .revents = 0}};
    if (poll(ready, 2, -1) < 0 && errno != EINTR) {
      return;
    }
    for (int i = 0; i < 2; ++i) {
      UniqueFd& fd = i == 0 ? out_ : err_;
      if (!fd.valid() || ready[i].revents == 0) {
        continue;
      }
      const ssize_t count = read(fd.get(), buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count <= 0) {
        fd.Reset();
      }
      sink_(i + 1, string_view(buffer.data(), count > 0 ? static_cast<size_t>(count) : 0));
    }
  }
}

}  // namespace cairn::ops

// OutputPump: reads what a process writes to its stdout and stderr and reports it, in order.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "absl/strings/string_view.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"
#include "runtime/sandbox/process_io.h"

namespace cairn::ops {

class OutputPump {
 public:
  // Called on the pump's thread with what was read from stream 1 or 2; empty at the stream's end.
  using Sink = std::function<void(int stream, string_view data)>;

  // `io` receives the write ends, for the process.
  static StatusOr<std::unique_ptr<OutputPump>> Start(sandbox::ProcessIo& io, Sink sink);
  // Reads a terminal, as stream 1, until nobody has it open.
  static std::unique_ptr<OutputPump> Read(UniqueFd terminal, Sink sink);
  // Waits until all writers have closed both streams.
  ~OutputPump();

 private:
  OutputPump(UniqueFd out, UniqueFd err, Sink sink);
  void Run();

  UniqueFd out_;
  UniqueFd err_;
  const Sink sink_;
  std::thread thread_;
};

}  // namespace cairn::ops

// Connects this process to the one that runs in a gateway container: stdin, output, terminal size,
// signals.
//
// For one run, from one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "client/gateway_build.h"
#include "proto/ops.pb.h"
#include "runtime/base/cancel.h"
#include "runtime/base/fd.h"
#include "runtime/base/sync.h"

namespace cairn::client {

struct ProcessLinkOptions {
  std::string container_id;
  pb::Meta meta;
  // Pass this process's stdin on; else the process reads the end of its input.
  bool input = false;
  // Leave its stdin open though nothing is passed on.
  bool hold_input = false;
  bool terminal = false;
  // Whether the terminal here tells its size to the one there.
  bool follow_size = false;
  // What it writes to 1 and 2.
  std::function<void(int stream, string_view data)> output;
  std::function<void()> started;
  // When the run is cancelled the process gets this signal ("TERM") and, after `grace`, KILL.
  std::function<std::string()> stop_signal;
  absl::Duration grace = absl::Seconds(10);
};

class ProcessLink {
 public:
  // REQUIRES: SIGWINCH is blocked in every thread when the terminal's size is followed.
  ProcessLink(GatewayBuild& build, ProcessLinkOptions options);

  // Runs it to its end: its exit code, or the error that kept it from running.
  StatusOr<int> Run(const CancelToken& cancel);

 private:
  using Message = moby::buildkit::v1::frontend::ExecMessage;

  void Write(Message message);
  void SendSignal(const std::string& name);
  void SendSize();
  void SendStdin(std::string data, bool end);
  // Passes on what comes from here until wake_ says that the process has ended.
  void SendEvents();
  StatusOr<int> ReceiveEvents();

  const ProcessLinkOptions options_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<Message, Message>> stream_;
  UniqueFd wake_;
  UniqueFd cancelled_;
  Mutex write_mu_;  // gRPC allows one writer at a time
};

}  // namespace cairn::client

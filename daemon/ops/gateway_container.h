// A container that a client or frontend drives through the gateway: NewContainer, ExecProcess.
//
// The first process started makes the container and is its pid 1; when it ends, so do the others.
// What is written to the container's mounts is dropped with it. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ops/exec_mounts.h"
#include "daemon/ops/exec_op.h"
#include "daemon/ops/output_pump.h"
#include "daemon/solver/entitlements.h"
#include "proto/ops.pb.h"
#include "runtime/base/cancel.h"
#include "runtime/base/sync.h"
#include "runtime/fs/root_dir.h"
#include "runtime/sandbox/container.h"
#include "runtime/sandbox/process.h"

namespace cairn::ops {

// A process of such a container. Wait is for one thread; the others may be called by any. The
// destructor kills it.
class GatewayProcess {
 public:
  ~GatewayProcess();
  GatewayProcess(const GatewayProcess&) = delete;
  GatewayProcess& operator=(const GatewayProcess&) = delete;

  // Writes to its stdin, or to its terminal. kUnavailable when it no longer reads.
  Status WriteInput(string_view data);
  void CloseInput();
  // kFailedPrecondition without a terminal.
  Status Resize(uint16_t rows, uint16_t columns);
  // `name` without "SIG": "KILL", "INT". kInvalidArgument for an unknown one.
  Status Signal(string_view name);

  // Waits until it has ended and all its output was reported. OK for exit code 0, kCancelled when
  // the container was released, else "exit code: N" with that code as a detail (255 when it never
  // ran).
  Status Wait(const CancelToken& cancel);

 private:
  friend class GatewayContainer;
  GatewayProcess() = default;

  // Shared with the container's other processes. The mounts go after what runs on them.
  std::shared_ptr<ExecMounts> mounts_;
  std::shared_ptr<sandbox::Container> container_;
  std::unique_ptr<sandbox::Process> joined_;
  sandbox::Process* process_ = nullptr;
  std::unique_ptr<OutputPump> pump_;
  CancelToken released_;  // fires with the container's release
  Mutex mu_;
  UniqueFd input_ ABSL_GUARDED_BY(mu_);
};

class GatewayContainer {
 public:
  struct Options {
    google::protobuf::RepeatedPtrField<pb::Mount> mounts;  // input: index into `inputs`, or -1
    std::vector<layer::Chain> inputs;
    std::string os;  // of its platform; "" is the host's
    pb::NetMode network = pb::UNSET;
    std::vector<pb::HostIP> extra_hosts;
    std::string hostname;
    session::SessionGroup sessions;
    solver::Entitlements entitlements;
  };

  // Prepares the mounts. `environment` and `lease` outlive the container.
  static StatusOr<std::unique_ptr<GatewayContainer>> Create(const ExecEnvironment& environment,
                                                            Options options, gc::Lease& lease,
                                                            const CancelToken& cancel);
  // Kills everything in it.
  ~GatewayContainer();
  GatewayContainer(const GatewayContainer&) = delete;
  GatewayContainer& operator=(const GatewayContainer&) = delete;

  struct ProcessOptions {
    pb::Meta meta;
    pb::SecurityMode security = pb::SANDBOX;
    std::vector<pb::SecretEnv> secrets;
    bool terminal = false;
    // What it writes to 1 and 2 (with a terminal to 1); empty at a stream's end. On a thread of its
    // own.
    OutputPump::Sink output;
  };
  // Starts a process and waits until it runs. The process may outlive the container object, then
  // killed.
  StatusOr<std::unique_ptr<GatewayProcess>> Start(ProcessOptions options,
                                                  const CancelToken& cancel);

  // Connects to a TCP port that a process in it listens on. kFailedPrecondition: no process runs;
  // kUnavailable: nothing listens there.
  StatusOr<UniqueFd> Connect(uint16_t port, const CancelToken& cancel);

  // What one of its mounts shows.
  struct MountView {
    // While a process runs: the mount itself.
    std::optional<fs::RootDir> live;
    // Before the first one starts: what it will find there, below `directory`.
    std::optional<layer::Chain> initial;
    std::string directory;
  };
  // The view of the mount `index` of Options::mounts. kInvalidArgument: no such mount, or nothing
  // to look at; kFailedPrecondition: the container has ended.
  StatusOr<MountView> View(int64_t index);

  // Kills everything in it; later starts fail, and what ran has been cancelled: kCancelled when the
  // first process still ran.
  Status Release();

 private:
  GatewayContainer(const ExecEnvironment& environment, Options options)
      : environment_(environment), options_(std::move(options)) {}

  // Starts the process in the container, or as the first one and with it the container.
  Status Launch(const ProcessOptions& options, const sandbox::ProcessSpec& spec,
                sandbox::ProcessIo io, GatewayProcess& process, const CancelToken& cancel);

  const ExecEnvironment& environment_;
  const Options options_;
  // Shared with the processes, which may outlive this.
  std::shared_ptr<ExecMounts> mounts_;

  // Held while a process is launched, so that one of them is the first.
  Mutex mu_;
  std::shared_ptr<sandbox::Container> container_ ABSL_GUARDED_BY(mu_);
  // Its first process runs, so that it is in its own namespaces.
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  CancelSource released_;
};

}  // namespace cairn::ops

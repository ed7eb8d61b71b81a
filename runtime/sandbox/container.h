// A running container: its first process, and any that join it.
//
// Made by Executor::Start. Ends with its first process: everything in its pid namespace is then
// killed, its mounts vanish with its namespace, its control group is removed, its network returned
// and its stubs are taken out of the root. The destructor kills it and waits for that. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/base/sync.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/helper_pool.h"
#include "runtime/sandbox/launch.h"
#include "runtime/sandbox/network.h"
#include "runtime/sandbox/process.h"
#include "runtime/sandbox/process_io.h"

namespace cairn::sandbox {

class Container {
 public:
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  // The first process, pid 1 inside. Lives as long as the container.
  Process& first() { return *first_; }

  // Runs another process in the container, with the same powers and limits. Its end does not end
  // the container; the container's end ends it. `process` is looked up and started inside: wait
  // with WaitStarted. kInvalidArgument: the spec is malformed; kFailedPrecondition: the container
  // has ended. The result must not outlive the container.
  StatusOr<std::unique_ptr<Process>> Join(const ProcessSpec& process, ProcessIo io);

  // Connects to a TCP port that something in the container listens on, on loopback (with the host's
  // network: the host's). REQUIRES: the first process' WaitStarted returned OK. kUnavailable:
  // nothing listens there; kFailedPrecondition: the container has ended.
  StatusOr<UniqueFd> Connect(uint16_t port, const CancelToken& cancel);

  // Kills all that runs in it; returns at once.
  void Kill();

 private:
  friend class Executor;

  // All that Executor::Start has gathered.
  struct Parts {
    ReadyHelper helper;
    // Set when the helper's own group is not where the container belongs.
    std::unique_ptr<Cgroup> cgroup;
    std::unique_ptr<NetworkAttachment> network;
    // What later processes have in common with the first.
    bool insecure = false;
    std::vector<RlimitRequest> rlimits;
    std::string seccomp_filter;
    std::string apparmor_profile;
    bool keep_stub_parents = false;
    // Work directories of overlays that are not flushed.
    std::vector<std::string> unsynced_work;
    absl::Time requested;
    absl::Duration acquire;
  };

  explicit Container(Parts parts);
  Cgroup& cgroup() { return parts_.cgroup != nullptr ? *parts_.cgroup : *parts_.helper.cgroup; }
  // Completes the outcome of the first process and removes what is left.
  void Finish(RunOutcome& outcome);

  Parts parts_;
  Mutex mu_;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  // A duplicate of the first process' control socket, for Join and Kill.
  UniqueFd control_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Process> first_;
};

}  // namespace cairn::sandbox

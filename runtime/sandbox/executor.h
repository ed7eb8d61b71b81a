// Runs processes in containers of their own: a description in, an outcome out.
//
// Knows nothing of builds, trees or caches. Containers are independent of each other; when the
// executor's process ends, in whatever way, so do they. Thread-safe. Must outlive its containers.
//
//   auto executor = Executor::Create({.state_directory = ..., .helper_program = ...});
//   auto container = (*executor)->Start(container_spec, process_spec, std::move(io), cancel);
//   RunOutcome outcome = (*container)->first().Wait(cancel);
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/sandbox/cgroup_tree.h"
#include "runtime/sandbox/container.h"
#include "runtime/sandbox/container_spec.h"
#include "runtime/sandbox/helper_pool.h"
#include "runtime/sandbox/network.h"
#include "runtime/sandbox/process_io.h"
#include "runtime/sandbox/process_spec.h"
#include "runtime/sandbox/run_outcome.h"

namespace cairn::sandbox {

struct ExecutorOptions {
  // A directory of the executor's own; no two executors share one.
  std::string state_directory;
  // The program cairn-sandbox.
  std::string helper_program;
  // Helpers kept ready for the next containers.
  int pool_size = 2;
  // Where control groups are made, relative to the top of each hierarchy.
  std::string cgroup_parent = "cairn";
  // See CgroupTreeOptions.
  bool move_processes_out_of_top_cgroup = false;
  NetworkOptions network;
  // Used by containers that name no nameservers, domains or options of their own.
  DnsConfig dns;
  // Of each container that names no limit; 0 is none.
  int64_t default_pids_max = 32768;
  int oom_score_adj = 500;
  // Profile for containers that are not insecure; empty: none.
  std::string apparmor_profile;
};

class Executor {
 public:
  // Removes what a crashed predecessor with the same state directory left. kNotFound: no helper
  // program; kInvalidArgument: bad network options.
  static StatusOr<std::unique_ptr<Executor>> Create(ExecutorOptions options);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Starts a container and, in it, its first process. Returns as soon as the request is on its way;
  // problems of setting it up are the process' outcome. kInvalidArgument: a malformed spec;
  // kPermissionDenied: a power without its entitlement; kFailedPrecondition: a limit that this host
  // cannot set; kCancelled.
  StatusOr<std::unique_ptr<Container>> Start(const ContainerSpec& container,
                                             const ProcessSpec& process, ProcessIo io,
                                             const CancelToken& cancel);

  // Start and Wait in one; what Start would return as a status is kSetupFailed.
  RunOutcome Run(const ContainerSpec& container, const ProcessSpec& process, ProcessIo io,
                 const CancelToken& cancel);

  // "host" or "cni": what a container with the default network gets.
  std::string default_network() const { return network_->name(); }

  // What this host lacks, in words for the log.
  std::vector<std::string> Limitations() const { return cgroups_->Limitations(); }

 private:
  explicit Executor(ExecutorOptions options) : options_(std::move(options)) {}

  Status MakeDirectories() const;
  StatusOr<LaunchRequest> MakeRequest(const ContainerSpec& container,
                                      const ProcessSpec& process) const;
  // Puts the parts' group in place and limits it; returns cgroup.procs files still to be entered.
  StatusOr<std::vector<UniqueFd>> PrepareGroup(const ContainerSpec& container,
                                               Container::Parts& parts) const;

  const ExecutorOptions options_;
  std::string seccomp_filter_;
  std::unique_ptr<CgroupTree> cgroups_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<HelperPool> pool_;
};

}  // namespace cairn::sandbox

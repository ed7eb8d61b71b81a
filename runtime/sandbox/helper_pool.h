// Keeps helper processes ready, so that a step does not wait for one to start.
//
// A ready helper has its control group (joined already), its pid, IPC and UTS namespaces, and the
// container's /dev and /proc made; it waits for its LaunchRequest. Each serves one container. A
// thread of the pool replaces what is taken. Thread-safe.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "runtime/base/fd.h"
#include "runtime/base/status.h"
#include "runtime/base/subprocess.h"
#include "runtime/base/sync.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/cgroup_tree.h"

namespace cairn::sandbox {

struct ReadyHelper {
  // Destroyed last to first: sockets, process, group.
  std::unique_ptr<Cgroup> cgroup;
  std::unique_ptr<Subprocess> process;
  UniqueFd setup;
  UniqueFd control;
};

struct HelperPoolOptions {
  int size = 2;
  // oom_score_adj of the containers.
  int oom_score_adj = 0;
};

class HelperPool {
 public:
  // `program` is what OpenSealedProgram returned; `cgroups` outlives the pool.
  HelperPool(HelperPoolOptions options, UniqueFd program, const CgroupTree& cgroups);
  ~HelperPool();
  HelperPool(const HelperPool&) = delete;
  HelperPool& operator=(const HelperPool&) = delete;

  // A ready helper, or a fresh one when none is.
  StatusOr<ReadyHelper> Take();

 private:
  StatusOr<ReadyHelper> Make() const;
  void Fill();

  const HelperPoolOptions options_;
  const UniqueFd program_;
  const CgroupTree& cgroups_;

  Mutex mu_;
  CondVar changed_;
  std::deque<ReadyHelper> ready_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread filler_;
};

}  // namespace cairn::sandbox

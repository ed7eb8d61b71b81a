// Collects garbage in the background, a while after builds, and forgets which steps were collected
// long ago.
#pragma once

#include <thread>
#include <vector>

#include "cache/gc/collector.h"
#include "cache/steps/step_table.h"
#include "runtime/base/cancel.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/sync.h"

namespace cairn::server {

// Thread-safe. All but `policy` outlive it.
class CollectionLoop {
 public:
  // So long is it known that a step was collected, and what its key was made of.
  static constexpr absl::Duration kKeepEvictions = absl::Hours(24 * 30);

  CollectionLoop(gc::Collector& collector, std::vector<gc::PolicyRule> policy,
                 steps::StepTable& steps, const Clock& clock, Logger& log);
  // Breaks off a collection that runs.
  ~CollectionLoop();
  CollectionLoop(const CollectionLoop&) = delete;
  CollectionLoop& operator=(const CollectionLoop&) = delete;

  // Something may have grown: collects soon, but not more often than once a minute.
  void Poke();

 private:
  void Run();
  Status Collect(const CancelToken& stop);

  gc::Collector& collector_;
  const std::vector<gc::PolicyRule> policy_;
  steps::StepTable& steps_;
  const Clock& clock_;
  Logger& log_;
  absl::Time forgot_evictions_ = absl::InfinitePast();  // the thread's own
  CancelSource stop_;
  Mutex mu_;
  CondVar changed_;
  bool poked_ ABSL_GUARDED_BY(mu_) = true;  // once after the start
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cairn::server

// Collects garbage in the background: a while after builds, and now and then.
#pragma once

#include <thread>
#include <vector>

#include "cache/gc/collector.h"
#include "runtime/base/cancel.h"
#include "runtime/base/log.h"
#include "runtime/base/sync.h"

namespace cairn::server {

// Thread-safe. `collector` and `log` outlive it.
class CollectionLoop {
 public:
  CollectionLoop(gc::Collector& collector, std::vector<gc::PolicyRule> policy, Logger& log);
  // Breaks off a collection that runs.
  ~CollectionLoop();
  CollectionLoop(const CollectionLoop&) = delete;
  CollectionLoop& operator=(const CollectionLoop&) = delete;

  // Something may have grown: collects soon, but not more often than once a minute.
  void Poke();

 private:
  void Run();

  gc::Collector& collector_;
  const std::vector<gc::PolicyRule> policy_;
  Logger& log_;
  CancelSource stop_;
  Mutex mu_;
  CondVar changed_;
  bool poked_ ABSL_GUARDED_BY(mu_) = true;  // once after the start
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cairn::server

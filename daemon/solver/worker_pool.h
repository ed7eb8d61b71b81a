// WorkerPool: threads for work that waits (on the network, on locks, on other steps).
//
// Grows by a thread whenever a task finds none idle, up to a bound, and lets threads go that have
// been idle for a while: a task may wait for another one without deadlock, and an idle daemon keeps
// few threads. Tasks beyond the bound queue. Thread-safe; tasks may post tasks. The destructor
// waits for every task that was posted.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <string>
#include <thread>

#include "runtime/base/status.h"
#include "runtime/base/sync.h"

namespace cairn::solver {

class WorkerPool {
 public:
  WorkerPool(string_view name, int max_threads) : name_(name), max_threads_(max_threads) {}
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void Post(std::function<void()> task);

 private:
  void Work();

  const std::string name_;
  const int max_threads_;

  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  int threads_ ABSL_GUARDED_BY(mu_) = 0;
  int idle_ ABSL_GUARDED_BY(mu_) = 0;
  std::list<std::thread> running_ ABSL_GUARDED_BY(mu_);
  // Threads that have let themselves go, to be joined.
  std::list<std::thread> ended_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::solver

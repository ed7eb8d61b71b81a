#include "daemon/control/run_all.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "runtime/base/thread_pool.h"

namespace cairn::control {

Status RunAll(const std::vector<std::function<Status()>>& tasks) {
  constexpr size_t kAtOnce = 16;
  std::vector<Status> outcomes(tasks.size());
  std::atomic<size_t> next = 0;
  const auto work = [&tasks, &outcomes, &next] {
    for (size_t i = next++; i < tasks.size(); i = next++) {
      outcomes[i] = tasks[i]();
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(tasks.size(), kAtOnce); ++i) {
    threads.push_back(StartThread("build-task", work));
  }
  work();
  for (std::thread& thread : threads) {
    thread.join();
  }
  Status first;
  for (const Status& outcome : outcomes) {
    if (first.ok() || (absl::IsCancelled(first) && !outcome.ok())) {
      first = outcome;
    }
  }
  return first;
}

}  // namespace cairn::control

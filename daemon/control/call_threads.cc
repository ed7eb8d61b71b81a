#include "daemon/control/call_threads.h"

#include <utility>

#include "absl/time/clock.h"
#include "runtime/base/thread_pool.h"

namespace cairn::control {
namespace {

constexpr absl::Duration kIdleTime = absl::Seconds(30);

}  // namespace

CallThreads::~CallThreads() {
  std::list<Worker> workers;
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
    workers.swap(workers_);
  }
  for (Worker& worker : workers) {
    worker.thread.join();
  }
}

void CallThreads::Run(std::function<void()> call) {
  std::list<Worker> ended;
  {
    MutexLock lock(mu_);
    calls_.push_back(std::move(call));
    if (idle_ >= calls_.size()) {
      changed_.NotifyOne();
    } else {
      workers_.emplace_back();
      Worker* worker = &workers_.back();
      worker->thread = StartThread("call", [this, worker] { Work(worker); });
    }
    ended = TakeEnded();
  }
  for (Worker& worker : ended) {
    worker.thread.join();
  }
}

std::list<CallThreads::Worker> CallThreads::TakeEnded() {
  std::list<Worker> ended;
  for (auto it = workers_.begin(); it != workers_.end();) {
    const auto worker = it++;
    if (worker->ended) {
      ended.splice(ended.end(), workers_, worker);
    }
  }
  return ended;
}

void CallThreads::Work(Worker* worker) {
  while (true) {
    std::function<void()> call;
    {
      MutexLock lock(mu_);
      const absl::Time deadline = absl::Now() + kIdleTime;
      ++idle_;
      while (calls_.empty() && !stopping_ && absl::Now() < deadline) {
        changed_.WaitFor(mu_, deadline - absl::Now());
      }
      --idle_;
      if (calls_.empty()) {
        worker->ended = true;
        return;
      }
      call = std::move(calls_.front());
      calls_.pop_front();
    }
    call();
  }
}

}  // namespace cairn::control

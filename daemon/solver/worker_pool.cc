#include "daemon/solver/worker_pool.h"

#include <utility>

#include "absl/time/time.h"
#include "runtime/base/thread_pool.h"

namespace cairn::solver {
namespace {

constexpr absl::Duration kIdleTime = absl::Seconds(10);

}  // namespace

WorkerPool::~WorkerPool() {
  std::list<std::thread> threads;
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
    while (threads_ > 0) {
      changed_.Wait(mu_);
    }
    threads.splice(threads.end(), running_);
    threads.splice(threads.end(), ended_);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

void WorkerPool::Post(std::function<void()> task) {
  std::list<std::thread> ended;
  {
    MutexLock lock(mu_);
    tasks_.push_back(std::move(task));
    ended.splice(ended.end(), ended_);
    if (idle_ >= static_cast<int>(tasks_.size()) || threads_ >= max_threads_) {
      changed_.NotifyOne();
    } else {
      ++threads_;
      running_.push_back(StartThread(name_, [this] { Work(); }));
    }
  }
  for (std::thread& thread : ended) {
    thread.join();
  }
}

void WorkerPool::Work() {
  MutexLock lock(mu_);
  while (true) {
    while (!tasks_.empty()) {
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      mu_.Unlock();
      task();
      task = nullptr;
      mu_.Lock();
    }
    if (stopping_) {
      break;
    }
    ++idle_;
    const bool woken = changed_.WaitFor(mu_, kIdleTime);
    --idle_;
    if (!woken && tasks_.empty() && !stopping_) {
      break;
    }
  }
  --threads_;
  for (auto it = running_.begin(); it != running_.end(); ++it) {
    if (it->get_id() == std::this_thread::get_id()) {
      ended_.splice(ended_.end(), running_, it);
      break;
    }
  }
  changed_.NotifyAll();
}

}  // namespace cairn::solver

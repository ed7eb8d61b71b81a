// Threads for calls that block: one for each call that runs, kept a while for the next one.
//
// Thread-safe. The destructor waits for the calls that run.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <thread>

#include "runtime/base/sync.h"

namespace cairn::control {

class CallThreads {
 public:
  CallThreads() = default;
  ~CallThreads();
  CallThreads(const CallThreads&) = delete;
  CallThreads& operator=(const CallThreads&) = delete;

  // Runs `call` at once on a thread of its own.
  void Run(std::function<void()> call);

 private:
  struct Worker {
    std::thread thread;
    bool ended = false;
  };
  void Work(Worker* worker);
  std::list<Worker> TakeEnded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Mutex mu_;
  CondVar changed_;
  std::deque<std::function<void()>> calls_ ABSL_GUARDED_BY(mu_);
  size_t idle_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::list<Worker> workers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::control

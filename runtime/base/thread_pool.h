// A fixed set of named threads that run tasks in the order given.
//
// Thread-safe. Tasks may post tasks. The destructor waits for every task that was posted.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/sync.h"

namespace cairn {

class ThreadPool {
 public:
  // `name` (at most 12 characters) and a number make the threads' names.
  ThreadPool(string_view name, int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void Post(std::function<void()> task);

 private:
  void Work();

  Mutex mu_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

// Starts a thread whose kernel name is `name` (cut to 15 characters). The owner joins it.
std::thread StartThread(string_view name, std::function<void()> body);

}  // namespace cairn

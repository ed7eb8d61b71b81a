// MemoryReturn: gives back to the kernel, once builds are over, the memory that they have freed and
// the pages of code that only they, or the start, needed.
#pragma once

#include <thread>

#include "runtime/base/sync.h"

namespace cairn::server {

// Thread-safe.
class MemoryReturn {
 public:
  MemoryReturn();
  ~MemoryReturn();
  MemoryReturn(const MemoryReturn&) = delete;
  MemoryReturn& operator=(const MemoryReturn&) = delete;

  // Has malloc keep freed memory in few places, so that there is something to give back. Before the
  // program has other threads.
  static void Configure();

  // Something has ended: memory is given back when nothing more ends for a moment.
  void Poke();

 private:
  void Run();

  Mutex mu_;
  CondVar changed_;
  bool poked_ ABSL_GUARDED_BY(mu_) = true;  // once after the start
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cairn::server

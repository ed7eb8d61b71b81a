#include "daemon/server/memory_return.h"

#include <malloc.h>

#include "absl/time/time.h"
#include "runtime/base/thread_pool.h"

namespace cairn::server {
namespace {

constexpr absl::Duration kQuiet = absl::Seconds(1);
// glibc makes eight a core, and each keeps what its threads have freed.
constexpr int kArenas = 4;
// Larger blocks are mapped and go back when they are freed; glibc raises this by itself otherwise.
constexpr int kMappedBytes = 1 << 20;

}  // namespace

MemoryReturn::MemoryReturn() {
  thread_ = StartThread("memory", [this] { Run(); });
}

MemoryReturn::~MemoryReturn() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void MemoryReturn::Configure() {
  mallopt(M_ARENA_MAX, kArenas);
  mallopt(M_MMAP_THRESHOLD, kMappedBytes);
}

void MemoryReturn::Poke() {
  MutexLock lock(mu_);
  poked_ = true;
  changed_.NotifyAll();
}

void MemoryReturn::Run() {
  for (;;) {
    {
      MutexLock lock(mu_);
      while (!poked_ && !stopping_) {
        changed_.Wait(mu_);
      }
      while (poked_ && !stopping_) {
        poked_ = false;
        changed_.WaitFor(mu_, kQuiet);
      }
      if (stopping_) {
        return;
      }
    }
    malloc_trim(0);
  }
}

}  // namespace cairn::server

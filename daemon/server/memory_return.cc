#include "daemon/server/memory_return.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include "absl/time/time.h"
#include "runtime/base/thread_pool.h"

namespace cairn::server {
namespace {

constexpr absl::Duration kQuiet = absl::Seconds(1);
// glibc makes eight a core, and each keeps what its threads have freed.
constexpr int kArenas = 4;
// Larger blocks are mapped and go back when they are freed; glibc raises this by itself otherwise.
constexpr int kMappedBytes = 1 << 20;

// Unmaps the pages of one object's code and constants; those that are used again come back from the
// page cache. What can be written stays: it differs from the file.
int ReturnObject(dl_phdr_info* object, size_t, void*) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) {
      continue;
    }
    const uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const uintptr_t end = object->dlpi_addr + segment.p_vaddr + segment.p_filesz;
    // The kernel refuses what is no file's (the vdso); nothing is lost then.
    (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

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
    // Large folios of the page cache are mapped whole: a start touches little code and maps nearly
    // all of it.
    dl_iterate_phdr(ReturnObject, nullptr);
  }
}

}  // namespace cairn::server

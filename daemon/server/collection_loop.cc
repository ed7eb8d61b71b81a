#include "daemon/server/collection_loop.h"

#include <utility>

#include "runtime/base/thread_pool.h"

namespace cairn::server {
namespace {

constexpr absl::Duration kBetween = absl::Minutes(1);

}  // namespace

CollectionLoop::CollectionLoop(gc::Collector& collector, std::vector<gc::PolicyRule> policy,
                               Logger& log)
    : collector_(collector), policy_(std::move(policy)), log_(log) {
  thread_ = StartThread("collector", [this] { Run(); });
}

CollectionLoop::~CollectionLoop() {
  stop_.Cancel("the daemon is shutting down");
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void CollectionLoop::Poke() {
  MutexLock lock(mu_);
  poked_ = true;
  changed_.NotifyAll();
}

void CollectionLoop::Run() {
  const CancelToken stop = stop_.token();
  // Builds that come right after the start matter more.
  while (!stop.WaitFor(kBetween)) {
    {
      MutexLock lock(mu_);
      while (!poked_ && !stopping_) {
        changed_.Wait(mu_);
      }
      poked_ = false;
    }
    const Status collected = collector_.Collect(policy_, stop);
    if (!collected.ok() && !absl::IsCancelled(collected)) {
      log_.Warn("garbage collection failed", {{"error", collected.message()}});
    }
  }
}

}  // namespace cairn::server

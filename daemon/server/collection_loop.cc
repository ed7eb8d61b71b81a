#include "daemon/server/collection_loop.h"

#include <utility>

#include "runtime/base/thread_pool.h"

namespace cairn::server {
namespace {

constexpr absl::Duration kBetween = absl::Minutes(1);
// It reads the whole step table.
constexpr absl::Duration kBetweenForgetting = absl::Hours(6);

}  // namespace

CollectionLoop::CollectionLoop(gc::Collector& collector, std::vector<gc::PolicyRule> policy,
                               steps::StepTable& steps, const Clock& clock, Logger& log)
    : collector_(collector), policy_(std::move(policy)), steps_(steps), clock_(clock), log_(log) {
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

Status CollectionLoop::Collect(const CancelToken& stop) {
  RETURN_IF_ERROR(collector_.Collect(policy_, stop));
  const absl::Time now = clock_.Now();
  if (now - forgot_evictions_ < kBetweenForgetting) {
    return absl::OkStatus();
  }
  forgot_evictions_ = now;
  return steps_.ForgetEvictions(now - kKeepEvictions);
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
    const Status collected = Collect(stop);
    if (!collected.ok() && !absl::IsCancelled(collected)) {
      log_.Warn("garbage collection failed", {{"error", collected.message()}});
    }
  }
}

}  // namespace cairn::server

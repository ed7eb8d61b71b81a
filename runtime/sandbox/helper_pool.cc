#include "runtime/sandbox/helper_pool.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/thread_pool.h"

namespace cairn::sandbox {
namespace {

// As the helper's main expects them.
constexpr int kControlSocket = 3;
constexpr int kSetupSocket = 4;
constexpr int kFirstCgroup = 5;

// After a failure to make a spare helper; whoever needs one meanwhile makes it and sees why.
constexpr absl::Duration kRetryInterval = absl::Seconds(5);

StatusOr<std::pair<UniqueFd, UniqueFd>> MakeSocketPair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

}  // namespace

HelperPool::HelperPool(HelperPoolOptions options, UniqueFd program, const CgroupTree& cgroups)
    : options_(options), program_(std::move(program)), cgroups_(cgroups) {
  if (options_.size > 0) {
    filler_ = StartThread("sandbox-pool", [this] { Fill(); });
  }
}

HelperPool::~HelperPool() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (filler_.joinable()) {
    filler_.join();
  }
}

StatusOr<ReadyHelper> HelperPool::Take() {
  {
    MutexLock lock(mu_);
    if (!ready_.empty()) {
      ReadyHelper helper = std::move(ready_.front());
      ready_.pop_front();
      changed_.NotifyAll();
      return helper;
    }
  }
  return Make();
}

StatusOr<ReadyHelper> HelperPool::Make() const {
  ReadyHelper helper;
  ASSIGN_OR_RETURN(helper.cgroup, cgroups_.Make(""));
  ASSIGN_OR_RETURN(const std::vector<UniqueFd> procs, helper.cgroup->TakeProcsFiles());
  ASSIGN_OR_RETURN(auto control, MakeSocketPair());
  ASSIGN_OR_RETURN(auto setup, MakeSocketPair());
  SubprocessOptions start;
  start.argv = {absl::StrCat("/proc/self/fd/", program_.get()),
                absl::StrCat(options_.oom_score_adj), absl::StrCat(procs.size())};
  start.environment = std::vector<std::string>();
  start.descriptors = {{kControlSocket, control.second.get()}, {kSetupSocket, setup.second.get()}};
  for (size_t i = 0; i < procs.size(); ++i) {
    start.descriptors.emplace_back(kFirstCgroup + static_cast<int>(i), procs[i].get());
  }
  ASSIGN_OR_RETURN_IN(helper.process, Subprocess::Start(start), "start sandbox helper");
  helper.control = std::move(control.first);
  helper.setup = std::move(setup.first);
  return helper;
}

void HelperPool::Fill() {
  for (;;) {
    {
      MutexLock lock(mu_);
      while (!stopping_ && ready_.size() >= static_cast<size_t>(options_.size)) {
        changed_.Wait(mu_);
      }
      if (stopping_) {
        return;
      }
    }
    StatusOr<ReadyHelper> made = Make();
    MutexLock lock(mu_);
    if (made.ok()) {
      ready_.push_back(std::move(*made));
    } else if (!stopping_) {
      changed_.WaitFor(mu_, kRetryInterval);
    }
  }
}

}  // namespace cairn::sandbox

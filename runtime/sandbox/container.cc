#include "runtime/sandbox/container.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/sandbox/channel.h"
#include "runtime/sandbox/launch_request.h"
#include "runtime/sandbox/namespace_socket.h"
#include "runtime/sandbox/stub_cleaner.h"

namespace cairn::sandbox {

namespace {

// The kernel marks the work directory of an overlay that it did not flush, and refuses to mount it
// again. That the writes are not durable is known to the caller, who asked for it.
void RemoveUnsyncedMark(const std::string& work) {
  ::unlink((work + "/work/incompat/volatile/dirty").c_str());
  for (const char* directory : {"/work/incompat/volatile", "/work/incompat"}) {
    ::rmdir((work + directory).c_str());
  }
}

}  // namespace

Container::Container(Parts parts) : parts_(std::move(parts)) {
  control_.Reset(::fcntl(parts_.helper.control.get(), F_DUPFD_CLOEXEC, 3));
  first_.reset(new Process(std::move(parts_.helper.setup), std::move(parts_.helper.control)));
  first_->requested_ = parts_.requested;
  first_->acquire_ = parts_.acquire;
  first_->hooks_.kill = [this] { Kill(); };
  first_->hooks_.finish = [this](RunOutcome& outcome) { Finish(outcome); };
  first_->AwaitCreation();
}

Container::~Container() {
  Kill();
  (void)first_->Wait();
}

void Container::Kill() {
  // The lock is held over both calls, which do not block, so that Finish does not remove the group
  // meanwhile.
  MutexLock lock(mu_);
  if (ended_) {
    return;
  }
  // The supervisor takes the end of this stream as the end of the daemon, and kills. The group is
  // for the case that the supervisor itself is no more.
  ::shutdown(control_.get(), SHUT_WR);
  cgroup().Kill();
}

StatusOr<std::unique_ptr<Process>> Container::Join(const ProcessSpec& process, ProcessIo io) {
  RETURN_IF_ERROR(CheckProcess(process));
  int setup[2];
  int status[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, setup) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  UniqueFd our_setup(setup[0]);
  const UniqueFd their_setup(setup[1]);
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, status) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  UniqueFd our_status(status[0]);
  const UniqueFd their_status(status[1]);
  LaunchRequest request;
  request.process = process;
  request.insecure = parts_.insecure;
  request.rlimits = parts_.rlimits;
  request.seccomp_filter = parts_.seccomp_filter;
  request.apparmor_profile = parts_.apparmor_profile;
  {
    MutexLock lock(mu_);
    if (ended_) {
      return absl::FailedPreconditionError("the container has ended");
    }
    ASSIGN_OR_RETURN(const std::vector<UniqueFd> procs, cgroup().OpenProcsFiles());
    std::vector<int> descriptors = {their_setup.get(), their_status.get()};
    for (const UniqueFd& file : procs) {
      descriptors.push_back(file.get());
    }
    const int error = SendFrame(control_.get(), static_cast<uint32_t>(FrameType::kJoin),
                                std::string(), descriptors);
    if (error != 0) {
      return absl::FailedPreconditionError("the container has ended");
    }
  }
  const absl::Time requested = absl::Now();
  RETURN_IF_ERROR(SendLaunch(our_setup.get(), request, io, {}));
  std::unique_ptr<Process> joined(new Process(std::move(our_setup), std::move(our_status)));
  Process* raw = joined.get();
  joined->requested_ = requested;
  joined->hooks_.kill = [raw] { raw->KillThroughPidfd(); };
  joined->hooks_.finish = [](RunOutcome&) {};
  joined->AwaitCreation();
  return joined;
}

StatusOr<UniqueFd> Container::Connect(uint16_t port, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const UniqueFd process, first_->OpenPidfd());
  return ConnectInNamespaceOf(process.get(), port, cancel);
}

void Container::Finish(RunOutcome& outcome) {
  const absl::Time began = absl::Now();
  // The helper has nothing more to do; its end is what makes the group empty.
  parts_.helper.process.reset();
  cgroup().AddUsage(outcome.usage);
  const bool killed = outcome.signal == SIGKILL || outcome.exit_code == 128 + SIGKILL;
  if (outcome.kind != RunOutcome::Kind::kCancelled && killed && cgroup().OomKills() > 0) {
    outcome.kind = RunOutcome::Kind::kOomKilled;
  }
  if (first_->stub_root_.valid()) {
    RemoveStubs(first_->stub_root_.get(), first_->stubs_, parts_.keep_stub_parents);
    first_->stub_root_.Reset();
  }
  for (const std::string& work : parts_.unsynced_work) {
    RemoveUnsyncedMark(work);
  }
  parts_.network.reset();
  {
    MutexLock lock(mu_);
    ended_ = true;
    control_.Reset();
  }
  for (Cgroup* group : {parts_.cgroup.get(), parts_.helper.cgroup.get()}) {
    const Status removed = group == nullptr ? absl::OkStatus() : group->Remove();
    if (!removed.ok() && outcome.kind == RunOutcome::Kind::kExited) {
      outcome.kind = RunOutcome::Kind::kSetupFailed;
      outcome.step = SetupStep::kCgroup;
      outcome.message = std::string(removed.message());
    }
  }
  outcome.durations.teardown = absl::Now() - began;
}

}  // namespace cairn::sandbox

// A process in a container.
//
// Comes into being running, or on its way to: WaitStarted tells. Wait and WaitStarted are for one
// thread at a time; the other functions may be called by any thread at any time. A process that is
// not the container's first is killed by its destructor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"
#include "runtime/base/sync.h"
#include "runtime/sandbox/launch.h"
#include "runtime/sandbox/run_outcome.h"

namespace cairn::sandbox {

class Process {
 public:
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Waits until the program runs. The status of a failed set-up is kFailedPrecondition with the
  // outcome's message; Wait gives the outcome too. When `cancel` fires the process is killed.
  Status WaitStarted(const CancelToken& cancel = {});

  // Waits for the end, and for the container's first process until nothing of the container is
  // left. When `cancel` fires the process is killed and the outcome is kCancelled. May be called
  // again: the outcome stays the same.
  RunOutcome Wait(const CancelToken& cancel = {});

  // Sends a signal by number. A container's first process ignores signals that it has no handler
  // for, except SIGKILL and SIGSTOP. kFailedPrecondition: not running.
  Status Signal(int signal);

  // Sets the size of its terminal in characters. kFailedPrecondition: it has none.
  Status Resize(uint16_t rows, uint16_t columns);

  // A descriptor of the process, as pidfd_open(2) gives it. kFailedPrecondition: not running.
  StatusOr<UniqueFd> OpenPidfd();

  // Its root directory as it sees it, with all that is mounted there. kFailedPrecondition: not
  // running.
  StatusOr<UniqueFd> OpenRoot();

  // The master side of its terminal, to be read and written; invalid if it has none or this was
  // called before. REQUIRES: WaitStarted returned OK.
  UniqueFd TakeTerminal();

 private:
  friend class Container;

  // What differs between a container's first process and later ones.
  struct Hooks {
    // Makes it end soon; any thread.
    std::function<void()> kill;
    // Runs once when it has ended, to complete the outcome and clean up.
    std::function<void(RunOutcome&)> finish;
  };

  Process(UniqueFd setup, UniqueFd status) : setup_(std::move(setup)), status_(std::move(status)) {}

  bool started() const { return !setup_.valid() && !failure_.has_value(); }
  bool ended() const { return !setup_.valid() && !status_.valid(); }
  // Waits for the supervisor's word that the process exists (or never will): from then on it can
  // be signalled.
  void AwaitCreation() { ReadStatus(); }
  // Waits for and handles what arrives next on either socket.
  void Pump();
  void ReadSetup();
  void ReadStatus();
  RunOutcome MakeOutcome(bool cancelled) const;
  void KillThroughPidfd();

  Hooks hooks_;
  absl::Time requested_ = absl::InfinitePast();
  absl::Duration acquire_;

  // Owned by the waiting thread.
  UniqueFd setup_;
  UniqueFd status_;
  absl::Time started_at_ = absl::InfinitePast();
  std::optional<FailureReport> failure_;
  std::optional<ExitReport> exit_;
  std::optional<RunOutcome> outcome_;
  std::vector<Stub> stubs_;
  UniqueFd stub_root_;

  Mutex mu_;
  UniqueFd pidfd_ ABSL_GUARDED_BY(mu_);
  UniqueFd terminal_ ABSL_GUARDED_BY(mu_);
  UniqueFd terminal_for_resize_ ABSL_GUARDED_BY(mu_);
  bool kill_requested_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cairn::sandbox

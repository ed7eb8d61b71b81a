// How a process of a container ended, and what it cost.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "runtime/sandbox/setup_step.h"

namespace cairn::sandbox {

struct ResourceUsage {
  // Processor time of all processes, user and system.
  absl::Duration cpu_user;
  absl::Duration cpu_system;
  // The most memory held at once: of the container's control group where the kernel counts that,
  // else of the largest process.
  uint64_t peak_memory_bytes = 0;
};

// Where the time went, for the first process of a container.
struct RunDurations {
  absl::Duration acquire;   // getting a ready helper, a network and limits
  absl::Duration setup;     // from the request to the program's start
  absl::Duration run;       // from the program's start to its end
  absl::Duration teardown;  // from its end to nothing being left
};

struct RunOutcome {
  enum class Kind {
    kExited,       // by itself: `exit_code`
    kSignalled,    // by `signal`
    kOomKilled,    // the kernel killed in it for want of memory
    kSetupFailed,  // it never ran: `step` and `message` say why
    kCancelled,    // it was killed because its CancelToken fired
  };

  Kind kind = Kind::kSetupFailed;
  // The code for users: the exit code, or 128 + the signal. A program that cannot be started
  // counts as kExited with 127 (not found) or 126, as a shell would report it, and `message` is
  // also on its stderr.
  int exit_code = 0;
  int signal = 0;
  SetupStep step = SetupStep::kNone;
  std::string message;
  ResourceUsage usage;
  RunDurations durations;

  bool success() const { return kind == Kind::kExited && exit_code == 0; }
};

// One line for logs and tests: "exited with code 1", "mount /x: no such file or directory".
std::string ToString(const RunOutcome& outcome);

}  // namespace cairn::sandbox

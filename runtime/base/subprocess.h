// A child process: started with posix_spawn (never a fork of the threaded daemon), waited for,
// killed.
//
// Not thread-safe, except that Kill may be called from any thread while Wait runs. The destructor
// kills (SIGKILL) and reaps a child that was not waited for: no child outlives its owner,
// but one that was disowned.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn {

struct SubprocessOptions {
  // argv[0] is the program: a path, or a name looked up on PATH.
  std::vector<std::string> argv;
  // The whole environment; nullopt means the caller's own.
  std::optional<std::vector<std::string>> environment;
  // Child descriptor number <- ours. 0, 1 and 2 that are not named here are /dev/null. Every other
  // descriptor of ours is close-on-exec and stays here.
  std::vector<std::pair<int, int>> descriptors;
  // Working directory of the child; empty means ours.
  std::string directory;
  // What is run, when it is not argv[0].
  std::string program;
  // A session of its own: no terminal, and none of the signals that keys send.
  bool new_session = false;
  // A session of its own, and Kill reaches every process of it that did not leave the child's
  // group: for programs that start others and do not end them.
  bool kill_group = false;
};

class Subprocess {
 public:
  static StatusOr<std::unique_ptr<Subprocess>> Start(const SubprocessOptions& options);
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }
  // A pidfd of the child, for polling; owned by this object.
  int pidfd() const { return pidfd_.get(); }

  void Kill(int signal);

  // Lets the child live on when this object goes.
  void Disown() { disowned_ = true; }

  // Waits for the end. Returns the exit code, or 128 + the signal that ended it. When `cancel`
  // fires the child is killed, reaped, and kCancelled is returned.
  StatusOr<int> Wait(const CancelToken& cancel = {});

 private:
  Subprocess(pid_t pid, UniqueFd pidfd, bool kill_group)
      : pid_(pid), pidfd_(std::move(pidfd)), kill_group_(kill_group) {}

  const pid_t pid_;
  const UniqueFd pidfd_;
  const bool kill_group_;
  bool reaped_ = false;
  bool disowned_ = false;
};

struct CommandOutput {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// Runs a command to its end with `input` as its stdin and returns what it printed (at most `limit`
// bytes of each stream; what is beyond is dropped).
StatusOr<CommandOutput> RunCommand(SubprocessOptions options, const std::string& input = "",
                                   const CancelToken& cancel = {}, size_t limit = 16 << 20);

}  // namespace cairn

// How a process that is being set up talks to the daemon, and gives up.
//
// Set-up code does not return errors: the first failure is reported and ends the process, and with
// it the half-made container. Nothing of it outlives the process: every mount is in its own mount
// namespace.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/sandbox/launch.h"

namespace cairn::sandbox {

class Reporter {
 public:
  // `setup_socket` is borrowed.
  explicit Reporter(int setup_socket) : socket_(setup_socket) {}

  // Reports "message: strerror(error)" (or `message` alone when `error` is 0) and exits.
  [[noreturn]] void Fail(SetupStep step, const std::string& message, int error) const;

  // Reports that the program cannot be run: also writes the message to stderr, where the user of
  // the step looks for it. `exit_code` is 126 or 127.
  [[noreturn]] void FailExec(const std::string& message, uint64_t exit_code) const;

  void SendStubs(const StubReport& report, int root) const;
  void SendTerminal(int master) const;

 private:
  const int socket_;
};

// strerror with a lower-case first letter, as all our messages have.
std::string ErrorText(int error);

}  // namespace cairn::sandbox

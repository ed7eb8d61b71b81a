// This process's terminal in raw mode, for as long as the object lives.
#pragma once

#include <termios.h>

#include <memory>

#include "runtime/base/status.h"

namespace cairn::client {

class RawTerminal {
 public:
  // kFailedPrecondition "the input device is not a TTY" when `fd` is no terminal.
  static StatusOr<std::unique_ptr<RawTerminal>> Enter(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  RawTerminal(int fd, const termios& before) : fd_(fd), before_(before) {}
  const int fd_;
  const termios before_;
};

}  // namespace cairn::client

#include "client/terminal.h"

namespace cairn::client {

StatusOr<std::unique_ptr<RawTerminal>> RawTerminal::Enter(int fd) {
  termios before;
  if (::tcgetattr(fd, &before) != 0) {
    return absl::FailedPreconditionError("the input device is not a TTY");
  }
  termios raw = before;
  ::cfmakeraw(&raw);
  ::tcsetattr(fd, TCSADRAIN, &raw);
  return std::unique_ptr<RawTerminal>(new RawTerminal(fd, before));
}

RawTerminal::~RawTerminal() { ::tcsetattr(fd_, TCSADRAIN, &before_); }

}  // namespace cairn::client

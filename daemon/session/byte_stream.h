// A two-way stream of bytes in messages: what the outer Session call looks like to this module.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace cairn::session {

// One thread reads and another writes at the same time; Close comes from any thread.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Waits for the next message and puts its bytes into `chunk`. False at the end of the stream, be
  // it orderly or not.
  virtual bool Read(std::string* chunk) = 0;

  // Sends `data` as one message, waiting while the peer takes no more. False once the stream ended.
  virtual bool Write(string_view data) = 0;

  // Breaks the stream off: blocked Reads and Writes return false.
  virtual void Close() = 0;
};

}  // namespace cairn::session

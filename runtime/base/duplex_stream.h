// A two-way stream of bytes in messages, whatever carries it: a gRPC call, mostly.
//
// One thread reads and another writes at the same time; Close comes from any thread.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace cairn {

class DuplexStream {
 public:
  enum class Incoming {
    kData,
    kEnd,     // the peer writes no more; it may still read
    kBroken,  // the stream is over, both ways
  };

  virtual ~DuplexStream() = default;

  // Waits for the next message and puts its bytes into `chunk`.
  virtual Incoming Read(std::string* chunk) = 0;

  // Sends `data` as one message, waiting while the peer takes no more. False once the stream ended.
  virtual bool Write(string_view data) = 0;

  // Tells the peer that no more is written. Once, by the thread that writes.
  virtual void EndWrites() = 0;

  // Breaks the stream off: blocked Reads and Writes end.
  virtual void Close() = 0;
};

}  // namespace cairn

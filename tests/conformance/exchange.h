// What a client said to a daemon once, recorded call by call. README.md describes the format.
//
// Plain values.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::conformance {

struct RecordedCall {
  int number = 0;
  std::string method;  // "/moby.buildkit.v1.Control/Solve"
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> messages;  // that the client sent, as bytes
  std::vector<std::string> refs;      // results that the answer named, by the daemon's ids
  std::vector<int> after;             // calls that had ended when this one began
  std::vector<int> before_end;        // and when the client ended its side

  std::vector<std::string> Headers(const std::string& name) const;
};

struct Exchange {
  std::string command;  // what was run, for the reader
  std::vector<RecordedCall> calls;

  static StatusOr<Exchange> Load(const std::string& path);
};

}  // namespace cairn::conformance

// Node: one instruction of a Dockerfile as text, split but not yet understood.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/heredoc.h"
#include "daemon/frontend/dockerfile/location.h"

namespace cairn::dockerfile {

struct Node {
  std::string keyword;             // as written
  std::string original;            // the logical line: continuations joined, comments dropped
  std::vector<std::string> flags;  // "--name=value", quotes and escapes removed
  // What follows the flags, split as the keyword demands. ENV and LABEL: name, value, separator
  // ("=" or "") for each pair.
  std::vector<std::string> arguments;
  bool is_json = false;         // the arguments were a JSON array
  std::shared_ptr<Node> inner;  // ONBUILD: the instruction after it
  std::vector<Heredoc> heredocs;
  std::vector<std::string> comments;  // lines of the comment right before, without '#'
  int start_line = 0;                 // counted from 1
  int end_line = 0;

  Ranges location() const { return LineRanges(start_line, end_line); }
};

}  // namespace cairn::dockerfile

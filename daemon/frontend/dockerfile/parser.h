// Dockerfile text -> nodes: lines, continuations, comments, directives and heredocs.
#pragma once

#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/node.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct ParsedFile {
  std::vector<Node> nodes;
  char escape = '\\';
  // Last lines of instructions that contain an empty continuation line.
  std::vector<Range> empty_continuations;
};

// Parses `text`. Errors carry the lines they are about; a file without instructions is one.
StatusOr<ParsedFile> ParseFile(string_view text);

}  // namespace cairn::dockerfile

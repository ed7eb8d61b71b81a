// Parser directives: "# syntax=..", "# escape=..", "# check=.." in the first lines of a file.
//
// They end at the first line that is none: a blank line, another comment, an instruction, or a
// directive of unknown name (which is then a comment). Names ignore case; each may occur once.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "daemon/frontend/dockerfile/location.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct Directive {
  std::string name;  // "syntax", "escape" or "check"
  std::string value;
  Ranges location;
};

// Reads directives line by line.
class DirectiveReader {
 public:
  // Directives stand after `comment` ("#", "//", or nothing); `line` lines were read before.
  explicit DirectiveReader(string_view comment = "#", int line = 0)
      : comment_(comment), line_(line) {}

  // The directive in `line`, or nullopt; a repeated directive is an error.
  StatusOr<std::optional<Directive>> Read(string_view line);

 private:
  std::string comment_;
  int line_;
  std::set<std::string> seen_;
  bool done_ = false;
};

// A "# syntax" request: the image, and everything written after '='.
struct SyntaxRequest {
  std::string reference;
  std::string command_line;
  Ranges location;
};

// Which frontend a file asks for: "# syntax=..", "// syntax=.." or {"syntax": ".."}; a byte-order
// mark and a "#!" line before it are skipped. The file need not be a Dockerfile.
std::optional<SyntaxRequest> DetectSyntax(string_view file);

// The value of "# name=value" at the beginning of a Dockerfile, up to its first blank.
std::optional<std::string> FindDirective(string_view file, string_view name);

}  // namespace cairn::dockerfile

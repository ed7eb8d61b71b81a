// ShellPattern: the wildcards of ${v#p}, ${v%p} and ${v/p/r}.
//
// '*' any run, '?' one character, '\' before '*', '?' or '\' takes it literally, and before '}' or
// '/' is dropped (they need escaping only because of the surrounding ${}). No classes. Works on
// UTF-8 characters. Matching takes time and memory in proportion to pattern times value: callers
// bound both. Immutable.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::dockerfile {

class ShellPattern {
 public:
  // Fails with "invalid escape '\x'".
  static StatusOr<ShellPattern> Parse(string_view pattern);

  // `value` without the shortest (or longest) beginning, or end, that matches.
  std::string TrimPrefix(string_view value, bool longest) const;
  std::string TrimSuffix(string_view value, bool longest) const;

  // `value` with the first match, or all, replaced; stars take as much as they can. Replacing all,
  // "$0" or "${0}" in `replacement` is the match and any other "$name" is empty.
  std::string ReplaceFirst(string_view value, string_view replacement) const;
  std::string ReplaceAll(string_view value, string_view replacement) const;

 private:
  enum : uint32_t { kStar = 0xFFFFFFFF, kAny = 0xFFFFFFFE };

  std::vector<uint32_t> tokens_;  // characters, kStar and kAny
};

}  // namespace cairn::dockerfile

// Go's path matching: path/filepath.Match on Unix.
//
// Dockerfile wildcards (COPY a*), include patterns and ignore files are defined by it, including
// its rules for errors. Pattern: '*' any run of non-'/', '?' one non-'/', '[a-z]' and '[^a-z]'
// classes,
// '\x' the character x. The whole name must match. Works on UTF-8 characters.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace cairn {

// Whether `name` matches `pattern`. kInvalidArgument "syntax error in pattern" for a malformed
// pattern, whether or not the name would have got that far.
StatusOr<bool> GoMatch(string_view pattern, string_view name);

// Whether `path` contains any of the characters that make it a wildcard: * ? [ (not escaped).
bool HasGoWildcard(string_view path);

// Go's path.Clean: the shortest equivalent of `path` ("." when empty); ".." is not resolved beyond
// the root and symlinks are not looked at.
std::string CleanPath(string_view path);

// Go's path.Join: the non-empty parts joined with '/', cleaned; "" when all are empty.
std::string JoinPath(string_view first, string_view second);

}  // namespace cairn

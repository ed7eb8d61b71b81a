// Parts of slash-separated paths, as text: nothing is looked up.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace cairn {

// What stands after the last slash; all of `path` when there is none.
inline std::string BaseName(string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == string_view::npos ? path : path.substr(slash + 1));
}

// What stands before the last slash, "" when there is none.
inline std::string ParentOf(string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == string_view::npos ? "" : path.substr(0, slash));
}

}  // namespace cairn

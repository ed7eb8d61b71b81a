#include "cache/tree/path.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::tree {

std::vector<std::string> SplitPath(string_view path) {
  std::vector<std::string> components;
  for (const string_view part : absl::StrSplit(path, '/')) {
    if (!part.empty() && part != ".") {
      components.emplace_back(part);
    }
  }
  return components;
}

Status TooManyLinksError() { return absl::InvalidArgumentError("too many links"); }

Status PathNotFoundError(string_view path) {
  return absl::NotFoundError(
      absl::StrCat("\"", !path.empty() && path.front() == '/' ? "" : "/", path, "\": not found"));
}

}  // namespace cairn::tree

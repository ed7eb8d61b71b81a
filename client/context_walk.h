// Which files of a directory a transfer sends: include, exclude and followed paths, as BuildKit's
// clients understand them (protocol.md 3.1).
//
// ContextFilter is immutable after Create and thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/pattern.h"
#include "runtime/base/status.h"
#include "runtime/fs/root_dir.h"
#include "runtime/fs/tree_walk.h"

namespace cairn::client {

struct ContextPatterns {
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  // Paths (with wildcards) to send together with what their symlinks lead to.
  std::vector<std::string> follow;
};

// Visits what `patterns` select below `root`, sorted, a directory before its entries. A directory
// that is not selected itself is visited only when something below it is.
Status WalkContext(const fs::RootDir& root, const ContextPatterns& patterns,
                   const std::function<Status(const fs::WalkEntry&)>& visit,
                   const CancelToken& cancel);

// The paths that `follow` leads to: each path itself and, through every symlink on the way, its
// target; never out of `root`. Empty when everything is asked for (".").
StatusOr<std::vector<std::string>> FollowPaths(const fs::RootDir& root,
                                               const std::vector<std::string>& follow);

}  // namespace cairn::client

// WalkTree visits everything below a directory, sorted, following no link.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <map>
#include <string>

#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/fs/metadata.h"

namespace cairn::fs {

// One visited entry. The references hold during the visit.
struct WalkEntry {
  const std::string& path;  // below the walked directory, no leading slash
  const std::string& name;  // the last component
  int parent_fd;            // the opened directory that holds it; for openat and the like
  Kind kind;
  const struct stat& status;                         // st_dev and st_ino tell hard links
  const std::string& link_target;                    // of links, as written
  const std::map<std::string, std::string>& xattrs;  // portable ones, when asked for

  Metadata metadata() const;
};

enum class WalkAction { kContinue, kSkip, kStop };

struct WalkOptions {
  bool xattrs = true;
  CancelToken cancel;
};

// Calls `visit` for each entry below `directory_fd` (which may be O_PATH): a directory before what
// is in it, siblings in byte order of their names. kSkip does not descend into a directory, kStop
// ends the walk with OK. When a directory is done `leave` is called with its path, if given. An
// entry that vanishes between listing and stat is left out. Depth costs memory, not descriptors or
// stack.
Status WalkTree(int directory_fd, const WalkOptions& options,
                const std::function<StatusOr<WalkAction>(const WalkEntry&)>& visit,
                const std::function<Status(const std::string& path)>& leave = nullptr);

}  // namespace cairn::fs

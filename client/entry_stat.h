// EntryStats: a walk's entries as transfers describe them.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>

#include "runtime/fs/tree_walk.h"

namespace fsutil::types {
class Stat;
}  // namespace fsutil::types

namespace cairn::client {

// Used by one thread, for one walk: it knows the hard links seen before.
class EntryStats {
 public:
  // Fills `stat`. Owners are left out: a context's files belong to root in an image.
  void Fill(const fs::WalkEntry& entry, fsutil::types::Stat* stat);

 private:
  std::map<std::pair<dev_t, ino_t>, std::string>
      inodes_;  // of files with several links: first path
};

}  // namespace cairn::client

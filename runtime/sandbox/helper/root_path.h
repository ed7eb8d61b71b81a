// Paths inside a container's root, resolved so that no symbolic link, ".." or concurrent rename
// leads out of it.
//
// Every function works on descriptors: what was resolved is what is used, nothing is looked up
// twice. Resolution is openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS); where something has to be
// made on the way, a walk over O_PATH descriptors that reads symbolic links itself. All return an
// invalid descriptor with errno set on failure.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "runtime/sandbox/helper/scoped_fd.h"
#include "runtime/sandbox/launch.h"

namespace cairn::sandbox {

// Opens `path` inside `root` with the open(2) `flags` (O_CLOEXEC is added).
ScopedFd OpenInRoot(int root, const std::string& path, int flags);

// Opens `path` beneath `directory` with `flags`, refusing every symbolic link.
ScopedFd OpenBeneath(int directory, const std::string& path, int flags);

// An O_PATH descriptor of the absolute host path `path`, which may not pass through magic links.
ScopedFd OpenHostPath(const std::string& path);

// What MakePath should make if the last component is missing.
enum class LeafKind { kDirectory, kFile };

struct MakePathOptions {
  LeafKind leaf = LeafKind::kDirectory;
  // Owner of directories that are made.
  uid_t uid = 0;
  gid_t gid = 0;
  // Gets an entry for all that was made on the root's own mount; may be null.
  std::vector<Stub>* stubs = nullptr;
};

// An O_PATH descriptor of `path` inside `root`; what is missing is made (0755, files empty 0644).
// Dangling symbolic links are followed and their target is made, still inside the root. ELOOP: too
// many links; EEXIST: `path` is the root itself.
ScopedFd MakePath(int root, const std::string& path, const MakePathOptions& options);

// "/a/./b//c/" -> "/a/b/c"; ".." is taken lexically. For comparing destinations only.
std::string CleanPath(const std::string& path);

}  // namespace cairn::sandbox

// Takes away the mount points that were made in a root file system only to hold mounts.
#pragma once

#include <vector>

#include "runtime/sandbox/launch.h"

namespace cairn::sandbox {

// Removes from `root` those of `stubs` that are still empty, last made first, and gives the
// directories around them their modification times back unless somebody else changed them.
// `keep_parents` spares directories on the way to a mount point. What the step made of a stub (a
// file with content, a directory with entries) stays. Follows no symbolic link.
void RemoveStubs(int root, const std::vector<Stub>& stubs, bool keep_parents);

}  // namespace cairn::sandbox

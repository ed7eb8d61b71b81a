// Settle: a delta -> the delta that overlayfs shows rightly on a given base.
#pragma once

#include "cache/tree/tree_store.h"

namespace cairn::snapshot {

// `delta` for lying on `base`: implied directories have the metadata of what they lie on; whiteouts
// that remove nothing are left out, and directories that hide nothing are not opaque (but the root,
// which keeps its mark). overlayfs lists the name of a whiteout in a directory that only one layer
// has, though nobody can open it; deltas of merged chains and of some builders' layers have such.
// A delta without any of this is returned as it is.
StatusOr<tree::TreeRef> Settle(tree::TreeStore& trees, const tree::TreeRef& base,
                               const tree::TreeRef& delta);

// Whether Settle may have something to do.
bool MayNeedSettling(const tree::TreeRef& delta);

}  // namespace cairn::snapshot

// ReadUpper: what a step wrote into an overlay's upper directory -> a stored delta.
#pragma once

#include "cache/tree/tree_store.h"
#include "runtime/base/cancel.h"

namespace cairn::snapshot {

// Walks the directory `upper_fd` once, hashes its files, takes them into the blob store (large ones
// by hard link: they must not be written again) and stores the delta on `base`, the tree that was
// below while it was written.
//
// What overlayfs copied up but nobody changed is no part of the delta, nor are sockets and
// whiteouts of nothing. All that is removed from the directory, which so becomes the delta's own
// snapshot, with exact metadata.
StatusOr<tree::TreeRef> ReadUpper(tree::TreeStore& trees, int upper_fd, const tree::TreeRef& base,
                                  const CancelToken& cancel);

}  // namespace cairn::snapshot

// Reads a layer's tar into the store: tar entries -> delta tree, file bytes -> blobs.
//
// Whiteouts (".wh.x", ".wh..wh..opq", OCI image-spec layer.md) become the delta's whiteouts and
// opaque directories; nothing of them stays as a file. Hostile archives (absolute names, "..",
// links out of the root, entries below a non-directory, absurd sizes) are cleaned as the
// specification says or refused with kInvalidArgument naming the entry.
#pragma once

#include "cache/layer/chain.h"
#include "cache/tree/tree_store.h"
#include "runtime/base/cancel.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::layer {

struct ImportedTar {
  tree::TreeRef tree;
  Digest diff_id;  // of the uncompressed tar
};

// Reads `tar` (compressed or not; detected from its first bytes) whole. With `whiteouts` unset (ADD
// of an archive) ".wh." names are ordinary files. The delta's files are blobs of `trees.blobs()`.
StatusOr<ImportedTar> ImportTar(tree::TreeStore& trees, fs::ByteSource& tar, bool whiteouts,
                                const CancelToken& cancel);

}  // namespace cairn::layer

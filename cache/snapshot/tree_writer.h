// WriteTree: a tree or delta -> files in a directory.
#pragma once

#include "cache/tree/tree_store.h"
#include "runtime/base/cancel.h"

namespace cairn::snapshot {

struct WriteOptions {
  // What the directory is for.
  enum class Use {
    // A lower directory of an overlay: files may be links of the store's inodes and are never
    // written to; whiteouts become 0:0 character devices, opaque directories get
    // trusted.overlay.opaque; the directory gets the root's metadata.
    kLower,
    // Somebody's own files: copies. What is there already stays, unless the tree has something else
    // of that name; the directory itself is left as it is.
    kExport,
  };
  Use use = Use::kLower;
  CancelToken cancel;
};

// Writes `tree` below `directory_fd`, with all metadata exact, hard links included; large trees on
// two threads. kNotFound when bytes of the tree are gone.
Status WriteTree(tree::TreeStore& trees, const Digest& tree, int directory_fd,
                 const WriteOptions& options);

}  // namespace cairn::snapshot

// LayerTree: what a layer's tar amounts to so far, in memory, while its entries come in.
//
// Names are resolved within the layer as after a chroot: leading slashes and ".." stop at the root,
// and a link that the layer itself holds is followed in directory components. Entries may come in
// any order and more than once; the last one counts. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cache/tree/directory.h"
#include "cache/tree/tree_store.h"
#include "runtime/fs/tar_entry.h"

namespace cairn::layer {

class LayerTree {
 public:
  // With `whiteouts`, ".wh." names mean what OCI image-spec layer.md says.
  explicit LayerTree(bool whiteouts);
  ~LayerTree();

  // Whether the data of `entry` is wanted (it is a file, and no whiteout or marker).
  bool WantsData(const fs::TarEntry& entry) const;

  // Adds `entry`; `file` is the digest of its data when it was wanted. kInvalidArgument, naming the
  // entry, when it cannot be.
  Status Add(const fs::TarEntry& entry, const std::optional<Digest>& file);

  // Stores the delta.
  StatusOr<tree::TreeRef> Store(tree::TreeStore& trees);

 private:
  struct Node;
  struct Place;
  StatusOr<Place> FindPlace(const std::string& path);
  Status AddWhiteout(const std::string& path, Node& parent, const std::string& name);
  Status AddDirectory(const fs::TarEntry& entry, Node& parent, const std::string& name);
  Status AddHardLink(const fs::TarEntry& entry, Node& parent, const std::string& name);
  void CountLinks(Node& node, const std::string& path);
  StatusOr<tree::TreeRef> StoreNode(tree::TreeStore& trees, Node& node);

  const bool whiteouts_;
  std::unique_ptr<Node> root_;
  // Hard links: nodes of one inode share a number; index 0 is not used.
  struct Inode {
    int links = 0;       // in the finished tree
    uint64_t group = 0;  // set at the first of several links, in walk order
  };
  std::vector<Inode> inodes_{1};
};

}  // namespace cairn::layer

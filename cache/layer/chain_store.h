// Works out what a chain amounts to, extends chains, and remembers the answers.
//
// Thread-safe.
#pragma once

#include "cache/blob/database.h"
#include "cache/layer/chain.h"
#include "cache/tree/tree_store.h"

namespace cairn::layer {

class ChainStore {
 public:
  // Both outlive the store.
  ChainStore(tree::TreeStore& trees, blob::Database& database)
      : trees_(trees), database_(database) {}

  // The chain of no layers: scratch, whose tree is TreeStore::Empty().
  StatusOr<Chain> Scratch();

  // The whole tree of `chain`: its deltas applied bottom up. Remembered per list of delta digests,
  // so a chain that extends a known one costs one Apply.
  StatusOr<tree::TreeRef> TreeOf(const Chain& chain);

  // `base` with `delta` on top; content is computed.
  StatusOr<Chain> Append(const Chain& base, Layer layer);

  // The chain that has `tree` as its whole and `base` below: base plus Diff(TreeOf(base), tree).
  // When they are equal an empty layer is appended if `keep_empty`, else base is returned.
  StatusOr<Chain> Extend(const Chain& base, const tree::TreeRef& tree, bool keep_empty);

  // A chain of the single layer `tree`.
  StatusOr<Chain> Single(const tree::TreeRef& tree);

  // Overlays `inputs` in order (LLB merge): their layers one after the other.
  StatusOr<Chain> Merge(const std::vector<Chain>& inputs);

  // Upper minus lower (LLB diff): upper's last layers when it extends lower, else one layer.
  StatusOr<Chain> Difference(const Chain& lower, const Chain& upper);

  tree::TreeStore& trees() { return trees_; }

 private:
  tree::TreeStore& trees_;
  blob::Database& database_;
};

}  // namespace cairn::layer

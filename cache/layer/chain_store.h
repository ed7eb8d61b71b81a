// Works out what a chain amounts to, extends chains, and remembers the answers.
//
// Thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "cache/blob/database.h"
#include "cache/layer/chain.h"
#include "cache/tree/tree_store.h"

namespace cairn::layer {

class ChainStore {
 public:
  // Both outlive the store.
  ChainStore(tree::TreeStore& trees, blob::Database& database);
  ~ChainStore();

  // The chain of no layers: scratch, whose tree is TreeStore::Empty().
  StatusOr<Chain> Scratch();

  // The whole tree of `chain`: its deltas applied bottom up. Remembered per list of delta digests,
  // so a chain that extends a known one costs one Apply. Every directory of the result is stored,
  // and kept by the caller's blob::Hold; kNotFound when a delta is gone.
  StatusOr<tree::TreeRef> TreeOf(const Chain& chain);

  // `base` with `layer` on top; content is computed, and directories that the layer's tar only
  // implied take their metadata from `base` (so the delta in the result may be another).
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
  struct Memory;
  StatusOr<Chain> AppendNew(const Chain& base, Layer layer, const Digest& memo_key);

  tree::TreeStore& trees_;
  blob::Database& database_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace cairn::layer

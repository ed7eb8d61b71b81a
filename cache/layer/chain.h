// A filesystem state as a running build sees it: the chain of layers that made it, bottom first.
//
// Each layer is a delta (a Tree with whiteouts). The chain is what an image's layer list is made
// from and what a snapshot is mounted from; the tree that all of it amounts to is TreeOf(chain). A
// step's record in the step table holds only deltas, so a hit through equal content never brings in
// another build's history: the chain is the running build's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/tree/directory.h"
#include "runtime/base/digest.h"

namespace cairn::layer {

// The original blob of a layer that came with an image: pushed and exported as it is.
struct OriginalBlob {
  std::string media_type;
  Digest digest;  // of the blob as transferred, compressed or not
  uint64_t size = 0;
  Digest diff_id;  // of the uncompressed tar
  // Where it came from, for cross-repository mounts: "host/repository"; may be empty.
  std::string origin;
  // Of a layer that is not to be distributed: where everybody gets it.
  std::vector<std::string> urls;
  friend bool operator==(const OriginalBlob&, const OriginalBlob&) = default;
};

struct Layer {
  tree::TreeRef delta;
  std::optional<OriginalBlob> original;
  // Known only by what it comes to: a cache elsewhere has it, or once had it. `delta` then names
  // nothing that is stored. Only the solver sees such layers, and no record has them.
  bool content_only = false;
  friend bool operator==(const Layer&, const Layer&) = default;
};

// An immutable value. The empty chain is scratch.
struct Chain {
  std::vector<Layer> layers;
  // Content digest of the tree that the layers amount to; what step keys are made of.
  Digest content;
  friend bool operator==(const Chain&, const Chain&) = default;
};

}  // namespace cairn::layer

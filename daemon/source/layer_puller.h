// LayerPuller: an image's layers -> a chain. Layers that were imported before are neither fetched
// nor unpacked again.
//
// Thread-safe; the layers of one image are pulled in parallel.
#pragma once

#include <vector>

#include "cache/layer/chain_store.h"
#include "daemon/solver/progress.h"
#include "daemon/source/content_fetcher.h"
#include "daemon/source/image_documents.h"
#include "runtime/base/clock.h"

namespace cairn::source {

class LayerPuller {
 public:
  // All outlive the puller.
  LayerPuller(layer::ChainStore& chains, blob::Database& database, const Clock& clock)
      : chains_(chains), database_(database), clock_(clock) {}

  // The chain of the first `limit` layers (0: of all). A layer whose unpacked bytes do not have the
  // config's diff ID is kDataLoss.
  StatusOr<layer::Chain> Pull(const ImageDocuments& image, size_t limit, ContentFetcher& fetcher,
                              solver::VertexReporter& reporter, const CancelToken& cancel);

 private:
  StatusOr<layer::Layer> PullLayer(const registry::Descriptor& descriptor,
                                   const std::optional<Digest>& diff_id, ContentFetcher& fetcher,
                                   solver::VertexReporter& reporter, const CancelToken& cancel);
  Status Download(const registry::Descriptor& descriptor, ContentFetcher& fetcher,
                  solver::VertexReporter& reporter, const CancelToken& cancel);

  layer::ChainStore& chains_;
  blob::Database& database_;
  const Clock& clock_;
};

}  // namespace cairn::source

// From the steps of a build to what a cache is told of them.
#pragma once

#include <string>
#include <vector>

#include "cache/gc/ledger.h"
#include "cache/layer/chain.h"
#include "cache/layer/exporter.h"
#include "cache/remote/writer.h"
#include "daemon/caches/cache_parts.h"
#include "daemon/solver/step_import.h"
#include "runtime/base/cancel.h"

namespace cairn::caches {

struct ContentOptions {
  // Layers of all steps, else only of those that the results consist of.
  bool all_layers = false;
  layer::LayerOptions layers;
};

// The document of `steps`, and the layers that it lists, made and kept by records that `lease`
// uses. All steps are in it, those without layers by their content. Deterministic.
StatusOr<remote::CacheContent> MakeCacheContent(const CacheParts& parts,
                                                const std::vector<solver::ExportableStep>& steps,
                                                const std::vector<layer::Chain>& results,
                                                const ContentOptions& options, gc::Lease& lease,
                                                const CancelToken& cancel);

// What the image of `result` carries inline, as text of its config; "" when it would say nothing.
std::string MakeInlineCache(const std::vector<solver::ExportableStep>& steps,
                            const layer::Chain& result);

}  // namespace cairn::caches

// What a build may ask about sources before it solves them: implemented over daemon/source.
#pragma once

#include "daemon/solver/frontend.h"
#include "daemon/solver/progress.h"
#include "daemon/solver/solver.h"

namespace cairn::control {

// Thread-safe.
class SourceResolver {
 public:
  virtual ~SourceResolver() = default;
  virtual StatusOr<solver::ImageConfig> ResolveImageConfig(
      solver::Job& job, const solver::ResolveImageRequest& request,
      solver::VertexReporter& reporter, const CancelToken& cancel) = 0;
  virtual StatusOr<solver::SourceMeta> ResolveSourceMeta(
      solver::Job& job, const solver::ResolveSourceRequest& request,
      solver::VertexReporter& reporter, const CancelToken& cancel) = 0;
};

// Has `sources` resolve `request` as a vertex of `job`, which progress shows.
StatusOr<solver::SourceMeta> ResolveInVertex(SourceResolver& sources, solver::Job& job,
                                             const solver::ResolveSourceRequest& request,
                                             const CancelToken& cancel);
StatusOr<solver::ImageConfig> ResolveInVertex(SourceResolver& sources, solver::Job& job,
                                              const solver::ResolveImageRequest& request,
                                              const CancelToken& cancel);

}  // namespace cairn::control

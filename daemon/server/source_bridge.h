// daemon/source behind the interface that control asks sources through.
#pragma once

#include "daemon/control/source_resolver.h"
#include "daemon/source/source_factory.h"

namespace cairn::server {

// Thread-safe. `sources` outlives it.
class SourceBridge final : public control::SourceResolver {
 public:
  explicit SourceBridge(source::SourceFactory& sources) : sources_(sources) {}

  StatusOr<solver::ImageConfig> ResolveImageConfig(solver::Job& job,
                                                   const solver::ResolveImageRequest& request,
                                                   solver::VertexReporter&,
                                                   const CancelToken& cancel) override {
    return sources_.ResolveImageConfig(request, job.sessions(), cancel);
  }
  StatusOr<solver::SourceMeta> ResolveSourceMeta(solver::Job& job,
                                                 const solver::ResolveSourceRequest& request,
                                                 solver::VertexReporter&,
                                                 const CancelToken& cancel) override {
    return sources_.ResolveSourceMeta(request, job.sessions(), job.memory(), cancel);
  }

 private:
  source::SourceFactory& sources_;
};

}  // namespace cairn::server

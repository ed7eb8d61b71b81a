#include "daemon/control/source_resolver.h"

#include "absl/strings/str_cat.h"

namespace cairn::control {
namespace {

// Names a vertex that is in no graph by what it is about.
Digest VertexOf(string_view what, const std::optional<Platform>& platform) {
  return Digest::Of(
      absl::StrCat("resolve ", what, " ", platform.has_value() ? platform->ToString() : ""));
}

}  // namespace

StatusOr<solver::SourceMeta> ResolveInVertex(SourceResolver& sources, solver::Job& job,
                                             const solver::ResolveSourceRequest& request,
                                             const CancelToken& cancel) {
  const std::string& identifier = request.source.identifier();
  const std::string name = request.log_name.empty()
                               ? absl::StrCat("resolve source metadata for ", identifier)
                               : request.log_name;
  std::optional<solver::SourceMeta> meta;
  RETURN_IF_ERROR(job.RunVertex(
      VertexOf(identifier, request.platform), name,
      [&sources, &job, &request, &cancel, &meta](solver::VertexReporter& reporter) -> Status {
        ASSIGN_OR_RETURN(meta, sources.ResolveSourceMeta(job, request, reporter, cancel));
        return absl::OkStatus();
      }));
  return *std::move(meta);
}

StatusOr<solver::ImageConfig> ResolveInVertex(SourceResolver& sources, solver::Job& job,
                                              const solver::ResolveImageRequest& request,
                                              const CancelToken& cancel) {
  const std::string name = request.log_name.empty()
                               ? absl::StrCat("resolve image config for ", request.reference)
                               : request.log_name;
  std::optional<solver::ImageConfig> config;
  RETURN_IF_ERROR(job.RunVertex(
      VertexOf(request.reference, request.platform), name,
      [&sources, &job, &request, &cancel, &config](solver::VertexReporter& reporter) -> Status {
        ASSIGN_OR_RETURN(config, sources.ResolveImageConfig(job, request, reporter, cancel));
        return absl::OkStatus();
      }));
  return *std::move(config);
}

}  // namespace cairn::control

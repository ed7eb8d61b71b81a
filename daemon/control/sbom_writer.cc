#include "daemon/control/sbom_writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "daemon/exporter/result_platforms.h"
#include "daemon/frontend/dockerfile/build_options.h"
#include "daemon/frontend/dockerfile/sbom_scan.h"
#include "daemon/llb/builder.h"
#include "daemon/llb/graph.h"

namespace cairn::control {
namespace {

constexpr char kSpdx[] = "https://spdx.dev/Document";

// The build's own road to images, as the scanner's look-up wants it.
class BridgeImages final : public dockerfile::ImageResolver {
 public:
  BridgeImages(solver::Bridge& bridge, const CancelToken& cancel)
      : bridge_(bridge), cancel_(cancel) {}

  StatusOr<dockerfile::ResolvedImage> Resolve(const std::string& reference,
                                              const Platform& platform, const std::string& mode,
                                              const std::string& log_name) override {
    solver::ResolveImageRequest request;
    request.reference = reference;
    request.platform = platform;
    request.mode = mode;
    request.log_name = log_name;
    ASSIGN_OR_RETURN(const solver::ImageConfig image, bridge_.ResolveImageConfig(request, cancel_));
    return dockerfile::ResolvedImage{image.reference, image.digest.ToString(), image.config};
  }

 private:
  solver::Bridge& bridge_;
  const CancelToken& cancel_;
};

bool HasSbom(const solver::FrontendResult& result) {
  for (const auto& entry : result.attestations) {
    if (std::any_of(entry.second.begin(), entry.second.end(),
                    [](const auto& attestation) { return attestation.predicate_type == kSpdx; })) {
      return true;
    }
  }
  return false;
}

StatusOr<std::vector<exporter::ResultPlatform>> PlatformsOf(const solver::FrontendResult& result) {
  exporter::SolvedResult shape{.metadata = result.metadata};
  if (result.ref.has_value()) {
    shape.single.emplace();
  }
  for (const auto& entry : result.refs) {
    shape.by_platform[entry.first] = std::nullopt;
  }
  return exporter::PlatformsOf(shape);
}

}  // namespace

Status AddSbom(solver::Bridge& bridge, const BuildRequest& request, solver::FrontendResult* result,
               const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const std::optional<dockerfile::SbomOptions> options,
                   dockerfile::SbomOptions::Parse(request.frontend_attributes));
  if (!options.has_value() || HasSbom(*result)) {
    return absl::OkStatus();
  }
  std::optional<dockerfile::SbomScanner> scanner;
  const bool ignores_cache = request.frontend_attributes.count("no-cache") > 0;
  ASSIGN_OR_RETURN(const auto platforms, PlatformsOf(*result));
  for (const exporter::ResultPlatform& platform : platforms) {
    const auto found = result->refs.find(platform.id);
    const solver::RefPtr ref =
        found != result->refs.end() ? found->second : result->ref.value_or(nullptr);
    if (ref == nullptr) {
      continue;
    }
    if (!scanner.has_value()) {
      BridgeImages images(bridge, cancel);
      ASSIGN_OR_RETURN(scanner, dockerfile::SbomScanner::Resolve(
                                    *options, bridge.platforms().front(), "default", images));
    }
    ASSIGN_OR_RETURN(const llb::Graph graph, llb::Graph::LoadOrScratch(ref->definition()));
    solver::SolveRequest scan;
    scan.definition = llb::Marshal(
        scanner->Scan(platform.id, llb::FromGraph(graph), /*extras=*/{}, ignores_cache));
    ASSIGN_OR_RETURN(const solver::FrontendResult solved, bridge.Solve(scan, cancel));
    result->attestations[platform.id].push_back(
        dockerfile::SbomAttestation(solved.ref.value_or(nullptr)));
  }
  return absl::OkStatus();
}

}  // namespace cairn::control

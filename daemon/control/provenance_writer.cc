#include "daemon/control/provenance_writer.h"

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/control/worker_info.h"
#include "daemon/provenance/options.h"
#include "daemon/provenance/predicate.h"
#include "runtime/base/random_id.h"

namespace cairn::control {
namespace {

// The blobs that the layers of `chain` have been stored as; empty unless all have.
std::vector<layer::LayerBlob> StoredLayers(layer::LayerExporter& layers,
                                           const layer::Chain& chain) {
  std::vector<layer::LayerBlob> blobs;
  for (const layer::Layer& layer : chain.layers) {
    std::optional<layer::LayerBlob> blob = layers.Find(layer);
    if (!blob.has_value()) {
      return {};
    }
    blobs.push_back(*std::move(blob));
  }
  return blobs;
}

// One platform's provenance, all but what is known only when it is written.
struct Subject {
  provenance::Capture capture;
  provenance::Options options;
  solver::RefPtr ref;
  std::string invocation_id;
  absl::Time started;
  int compatibility_version = 0;
};

StatusOr<std::string> Write(const ProvenanceSettings& settings, const Subject& subject) {
  provenance::PredicateInput input{.capture = subject.capture,
                                   .options = subject.options,
                                   .invocation_id = subject.invocation_id,
                                   .started = subject.started,
                                   .finished = settings.clock.Now(),
                                   .dockerfile_version = std::string(DockerfileVersion()),
                                   .compatibility_version = subject.compatibility_version,
                                   .custom_environment = settings.custom_environment};
  if (subject.options.max) {
    input.definition = &subject.ref->definition();
    for (const auto& [digest, vertex] : subject.ref->Solved()) {
      for (const layer::Chain& chain : vertex.chains) {
        input.layers[digest].push_back(StoredLayers(settings.layers, chain));
      }
    }
  }
  return provenance::MakePredicate(input);
}

// By platform id; only of platforms that were made of something.
StatusOr<std::map<std::string, std::shared_ptr<Subject>>> MakeSubjects(
    const BuildRequest& request, const RequestRecord& record, const solver::FrontendResult& result,
    absl::Time started, const provenance::Options& options, const exporter::SolvedResult& solved) {
  const std::string invocation_id = RandomId();
  std::map<std::string, std::shared_ptr<Subject>> subjects;
  ASSIGN_OR_RETURN(const auto platforms, exporter::PlatformsOf(solved));
  for (const exporter::ResultPlatform& platform : platforms) {
    ASSIGN_OR_RETURN(std::optional<provenance::Capture> capture,
                     record.CaptureOf(result, platform, platforms));
    if (!capture.has_value()) {
      continue;
    }
    const auto found = result.refs.find(platform.id);
    subjects[platform.id] = std::make_shared<Subject>(
        Subject{.capture = *std::move(capture),
                .options = options,
                .ref = found != result.refs.end() ? found->second : result.ref.value_or(nullptr),
                .invocation_id = invocation_id,
                .started = started,
                .compatibility_version = static_cast<int>(request.compatibility_version)});
  }
  return subjects;
}

}  // namespace

Status AddProvenance(const ProvenanceSettings& settings, const BuildRequest& request,
                     const RequestRecord& record, const solver::FrontendResult& result,
                     absl::Time started, exporter::SolvedResult* solved) {
  ASSIGN_OR_RETURN(const std::optional<provenance::Options> options,
                   provenance::RequestedProvenance(request.frontend_attributes));
  if (!options.has_value()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto subjects,
                   MakeSubjects(request, record, result, started, *options, *solved));
  for (const auto& [platform, subject] : subjects) {
    // Settings that cannot be met fail the build before anything is written.
    RETURN_IF_ERROR(Write(settings, *subject).status());
    solved->attestations[platform].push_back(
        {.predicate_type = provenance::PredicateType(options->version),
         .predicate = [&settings, subject = subject] { return Write(settings, *subject); },
         .file_name = options->file_name,
         .inline_only = options->inline_only});
  }
  return absl::OkStatus();
}

StatusOr<std::map<std::string, std::string>> HistoryProvenance(
    const ProvenanceSettings& settings, const BuildRequest& request, const RequestRecord& record,
    const solver::FrontendResult& result, absl::Time started,
    const exporter::SolvedResult& solved) {
  provenance::Options options;
  ASSIGN_OR_RETURN(const std::optional<provenance::Options> requested,
                   provenance::RequestedProvenance(request.frontend_attributes));
  if (requested.has_value()) {
    options.builder_id = requested->builder_id;
  }
  ASSIGN_OR_RETURN(const auto subjects,
                   MakeSubjects(request, record, result, started, options, solved));
  std::map<std::string, std::string> predicates;
  for (const auto& [platform, subject] : subjects) {
    ASSIGN_OR_RETURN(predicates[result.refs.empty() ? "" : platform], Write(settings, *subject));
  }
  return predicates;
}

}  // namespace cairn::control

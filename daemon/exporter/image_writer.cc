#include "daemon/exporter/image_writer.h"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cache/registry/reference.h"
#include "cache/remote/layer_records.h"
#include "daemon/exporter/image_config.h"
#include "daemon/exporter/progress_line.h"
#include "daemon/exporter/sbom_layers.h"
#include "daemon/exporter/statements.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::exporter {
namespace {

namespace media_type = registry::media_type;
using registry::Descriptor;

constexpr size_t kParallelLayers = 4;
constexpr char kConfigKey[] = "containerimage.config";
constexpr char kBaseConfigKey[] = "containerimage.base.config";
constexpr char kSpdx[] = "https://spdx.dev/Document";
constexpr char kRewritten[] = "buildkit/rewritten-timestamp";
constexpr char kAttestationArtifact[] = "application/vnd.docker.attestation.manifest.v1+json";

struct ExportedLayer {
  layer::LayerBlob blob;
  absl::Time created;
  std::optional<int64_t> rewritten;  // to at most this time
};

}  // namespace

std::vector<Digest> WrittenImage::reached() const {
  std::vector<Digest> all;
  for (const ImageContent& content : blobs) {
    all.push_back(content.descriptor.digest);
  }
  for (const Descriptor& manifest : manifests) {
    all.push_back(manifest.digest);
  }
  return all;
}

// One image being written.
struct ImageWriter::Writing {
  const ExporterParts& parts;
  const SolvedResult& result;
  const ImageOptions& options;
  ExportContext& context;
  WrittenImage image{.target = {.digest = Digest::Of("")}};
  bool writes_index = false;  // a platform's own annotations count only there
  std::set<Digest> listed;
  std::map<std::string, std::vector<Digest>> stored_layers;  // by platform id

  blob::BlobStore& blobs() { return parts.chains.trees().blobs(); }

  void AddBlob(const Descriptor& descriptor, const std::string& origin = "") {
    if (listed.insert(descriptor.digest).second) {
      image.blobs.push_back({descriptor, origin});
    }
  }

  // Stores a document and lists it as a blob.
  StatusOr<Descriptor> PutBlob(const std::string& document, const std::string& type) {
    ASSIGN_OR_RETURN(const Digest digest, blobs().Put(document));
    Descriptor descriptor{.media_type = type, .digest = digest, .size = document.size()};
    AddBlob(descriptor);
    return descriptor;
  }

  StatusOr<Descriptor> PutManifest(const std::string& document, const std::string& type) {
    ASSIGN_OR_RETURN(const Digest digest, blobs().Put(document));
    return Descriptor{.media_type = type, .digest = digest, .size = document.size()};
  }

  // Has a record own a blob that was made for `layer`, so that the next export finds it.
  Status OwnLayer(const layer::Layer& layer, const layer::LayerBlob& blob) {
    if (layer.original.has_value() && layer.original->digest == blob.digest) {
      return absl::OkStatus();  // the image that it came with does
    }
    return remote::OwnLayerBlob(parts.ledger, context.lease, blob);
  }

  StatusOr<std::optional<int64_t>> EpochFor(const ResultPlatform& platform) {
    if (options.epoch.has_value()) {
      return *options.epoch;
    }
    return EpochOf(result.metadata, platform.id);
  }

  std::string MetadataOf(const std::string& key, const ResultPlatform& platform) {
    const std::string* value = FindMetadata(result.metadata, key, platform.id);
    return value == nullptr ? "" : *value;
  }

  StatusOr<std::vector<ExportedLayer>> ExportLayers(const ResultPlatform& platform,
                                                    std::optional<int64_t> epoch);
  StatusOr<ExportedLayer> ExportLayer(const layer::Layer& layer, std::optional<int64_t> clamp,
                                      bool force);
  StatusOr<Descriptor> WriteManifest(const ResultPlatform& platform);
  StatusOr<Descriptor> WriteAttestations(const ResultPlatform& platform, const Descriptor& target,
                                         const std::vector<SolvedAttestation>& attestations);
  std::vector<SolvedAttestation> AttestationsOf(const ResultPlatform& platform);
  Status WriteIndex(const std::vector<ResultPlatform>& platforms);
  Status Run();
};

StatusOr<ExportedLayer> ImageWriter::Writing::ExportLayer(const layer::Layer& layer,
                                                          std::optional<int64_t> clamp,
                                                          bool force) {
  const layer::LayerOptions layer_options{.compression = options.compression,
                                          .level = options.level,
                                          .force = force,
                                          .oci_media_types = options.oci_types,
                                          .keep_nondistributable = options.prefer_nondistributable,
                                          .clamp_mtime = clamp};
  ASSIGN_OR_RETURN(layer::LayerBlob blob,
                   parts.layers.Export(layer, layer_options, context.cancel));
  RETURN_IF_ERROR(OwnLayer(layer, blob));
  ASSIGN_OR_RETURN(const absl::Time created, parts.layers.FirstExported(layer, parts.clock.Now()));
  // The files of a layer that came with an image are passed on as they are.
  const bool is_original = layer.original.has_value() && layer.original->diff_id == blob.diff_id;
  return ExportedLayer{std::move(blob), created, is_original ? std::nullopt : clamp};
}

StatusOr<std::vector<ExportedLayer>> ImageWriter::Writing::ExportLayers(
    const ResultPlatform& platform, std::optional<int64_t> epoch) {
  std::vector<ExportedLayer> exported;
  if (!platform.chain.has_value()) {
    return exported;
  }
  const std::vector<layer::Layer>& layers = platform.chain->layers;
  // The base image's own layers keep their times.
  size_t first_new = 0;
  if (options.rewrite_timestamp && epoch.has_value()) {
    const StatusOr<registry::ImageConfigInfo> base =
        registry::ParseImageConfig(MetadataOf(kBaseConfigKey, platform));
    while (base.ok() && first_new < layers.size() && first_new < base->diff_ids.size() &&
           layers[first_new].original.has_value() &&
           layers[first_new].original->diff_id == base->diff_ids[first_new]) {
      ++first_new;
    }
  } else {
    first_new = layers.size();
  }
  std::vector<StatusOr<ExportedLayer>> results(layers.size(), absl::CancelledError(""));
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < layers.size(); i = next++) {
      results[i] =
          ExportLayer(layers[i], i < first_new ? std::nullopt : epoch, options.force_compression);
      if (!results[i].ok()) {
        next = layers.size();
      }
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(kParallelLayers, layers.size()); ++i) {
    threads.push_back(StartThread("export-layer", work));
  }
  work();
  for (std::thread& thread : threads) {
    thread.join();
  }
  RETURN_IF_ERROR(context.cancel.Check());
  for (const StatusOr<ExportedLayer>& result : results) {
    if (!result.ok() && !absl::IsCancelled(result.status())) {
      return result.status();
    }
  }
  for (StatusOr<ExportedLayer>& result : results) {
    RETURN_IF_ERROR(result.status());
    exported.push_back(*std::move(result));
  }
  return exported;
}

StatusOr<Descriptor> ImageWriter::Writing::WriteManifest(const ResultPlatform& platform) {
  ASSIGN_OR_RETURN(const std::optional<int64_t> epoch, EpochFor(platform));
  std::vector<ExportedLayer> layers;
  {
    const ProgressLine line(context.reporter, parts.clock, "exporting layers");
    ASSIGN_OR_RETURN(layers, ExportLayers(platform, epoch));
  }
  ImageConfigRequest request{.config = MetadataOf(kConfigKey, platform),
                             .base_config = MetadataOf(kBaseConfigKey, platform),
                             .epoch = epoch};
  registry::Manifest manifest{
      .media_type = options.oci_types ? media_type::kOciManifest : media_type::kDockerManifest,
      .config = {.digest = Digest::Of("")}};
  for (const ExportedLayer& layer : layers) {
    request.layers.push_back({layer.blob.diff_id, layer.created});
    Descriptor descriptor{
        .media_type = layer.blob.media_type, .digest = layer.blob.digest, .size = layer.blob.size};
    descriptor.urls = layer.blob.urls;
    if (layer.rewritten.has_value()) {
      descriptor.annotations[kRewritten] = absl::StrCat(*layer.rewritten);
    }
    manifest.layers.push_back(descriptor);
    AddBlob(descriptor, layer.blob.origin);
    stored_layers[platform.id].push_back(descriptor.digest);
  }
  const auto inline_cache = result.inline_caches.find(IsMap(result) ? platform.id : "");
  if (inline_cache != result.inline_caches.end()) {
    request.inline_cache = inline_cache->second;
  }
  ASSIGN_OR_RETURN(const std::string config, MakeImageConfig(request));
  ASSIGN_OR_RETURN(manifest.config, PutBlob(config, options.oci_types ? media_type::kOciConfig
                                                                      : media_type::kDockerConfig));
  const Annotations annotations =
      options.annotations.For(writes_index ? &platform.platform : nullptr);
  manifest.annotations = annotations.manifest;
  ASSIGN_OR_RETURN(Descriptor descriptor,
                   PutManifest(registry::SerializeManifest(manifest), manifest.media_type));
  const ProgressLine manifest_line(
      context.reporter, parts.clock,
      absl::StrCat("exporting manifest ", descriptor.digest.ToString()));
  const ProgressLine config_line(
      context.reporter, parts.clock,
      absl::StrCat("exporting config ", manifest.config.digest.ToString()));
  descriptor.annotations = annotations.manifest_descriptor;
  descriptor.platform = platform.platform;
  image.config_digest = manifest.config.digest;
  return descriptor;
}

std::vector<SolvedAttestation> ImageWriter::Writing::AttestationsOf(
    const ResultPlatform& platform) {
  std::vector<SolvedAttestation> kept;
  const auto found = result.attestations.find(platform.id);
  if (found != result.attestations.end()) {
    for (const SolvedAttestation& attestation : found->second) {
      if (!attestation.inline_only || options.inline_attestations) {
        kept.push_back(attestation);
      }
    }
  }
  return kept;
}

StatusOr<Descriptor> ImageWriter::Writing::WriteAttestations(
    const ResultPlatform& platform, const Descriptor& target,
    const std::vector<SolvedAttestation>& attestations) {
  registry::Manifest manifest{.media_type = media_type::kOciManifest,
                              .config = {.digest = Digest::Of("")}};
  std::vector<Digest> diff_ids;
  const std::vector<StatementSubject> subjects =
      ImageSubjects(options.names, platform.platform, target.digest);
  for (SolvedAttestation attestation : attestations) {
    if (attestation.core_scan && attestation.predicate_type == kSpdx &&
        platform.chain.has_value()) {
      attestation.predicate = [this, &platform,
                               scan = attestation.predicate]() -> StatusOr<std::string> {
        ASSIGN_OR_RETURN(const std::string document, scan());
        return AddLayerComments(parts.chains.trees(), platform.chain->layers,
                                stored_layers[platform.id], document);
      };
    }
    ASSIGN_OR_RETURN(const std::string statement, MakeStatement(attestation, subjects));
    ASSIGN_OR_RETURN(Descriptor layer, PutBlob(statement, media_type::kInToto));
    diff_ids.push_back(layer.digest);
    layer.annotations["in-toto.io/predicate-type"] = attestation.predicate_type;
    manifest.layers.push_back(std::move(layer));
  }
  if (options.oci_artifact) {
    manifest.artifact_type = kAttestationArtifact;
    ASSIGN_OR_RETURN(manifest.config, PutBlob("{}", media_type::kOciEmpty));
    manifest.config.data = "{}";
    manifest.subject =
        Descriptor{.media_type = target.media_type, .digest = target.digest, .size = target.size};
  } else {
    ASSIGN_OR_RETURN(manifest.config,
                     PutBlob(MakeAttestationConfig(diff_ids), media_type::kOciConfig));
  }
  ASSIGN_OR_RETURN(Descriptor descriptor,
                   PutManifest(registry::SerializeManifest(manifest), manifest.media_type));
  const ProgressLine line(
      context.reporter, parts.clock,
      absl::StrCat("exporting attestation manifest ", descriptor.digest.ToString()));
  descriptor.annotations = {{"vnd.docker.reference.type", "attestation-manifest"},
                            {"vnd.docker.reference.digest", target.digest.ToString()}};
  descriptor.platform = Platform{.os = "unknown", .architecture = "unknown"};
  return descriptor;
}

Status ImageWriter::Writing::WriteIndex(const std::vector<ResultPlatform>& platforms) {
  registry::Index index{.media_type =
                            options.oci_types ? media_type::kOciIndex : media_type::kDockerIndex};
  std::vector<Descriptor> attestation_manifests;
  for (const ResultPlatform& platform : platforms) {
    ASSIGN_OR_RETURN(const Descriptor manifest, WriteManifest(platform));
    index.manifests.push_back(manifest);
    const std::vector<SolvedAttestation> attestations = AttestationsOf(platform);
    if (!attestations.empty()) {
      ASSIGN_OR_RETURN(Descriptor descriptor, WriteAttestations(platform, manifest, attestations));
      attestation_manifests.push_back(std::move(descriptor));
    }
  }
  index.manifests.insert(index.manifests.end(), attestation_manifests.begin(),
                         attestation_manifests.end());
  image.manifests = index.manifests;
  const Annotations annotations = options.annotations.For(nullptr);
  index.annotations = annotations.index;
  ASSIGN_OR_RETURN(image.target, PutManifest(registry::SerializeIndex(index), index.media_type));
  image.target.annotations = annotations.index_descriptor;
  image.config_digest.reset();
  const ProgressLine line(context.reporter, parts.clock,
                          absl::StrCat("exporting manifest list ", image.target.digest.ToString()));
  return absl::OkStatus();
}

Status ImageWriter::Writing::Run() {
  ASSIGN_OR_RETURN(const std::vector<ResultPlatform> platforms, PlatformsOf(result));
  bool attested = false;
  for (const ResultPlatform& platform : platforms) {
    attested = attested || !AttestationsOf(platform).empty();
  }
  for (const std::string& name : options.annotations.platforms()) {
    const bool known = std::any_of(
        platforms.begin(), platforms.end(),
        [&name](const ResultPlatform& platform) { return platform.platform.ToString() == name; });
    if (!known) {
      return absl::InvalidArgumentError(
          absl::StrCat("invalid annotation: no platform ", name, " found in source"));
    }
  }
  if (!options.oci_types && options.annotations.needs_index()) {
    return absl::InvalidArgumentError("cannot export annotations with \"oci-mediatypes=false\"");
  }
  if (!options.oci_types && attested) {
    return absl::InvalidArgumentError("cannot export attestations with \"oci-mediatypes=false\"");
  }
  writes_index = IsMap(result) || attested;
  if (writes_index) {
    RETURN_IF_ERROR(WriteIndex(platforms));
  } else {
    const Annotations annotations = options.annotations.For(nullptr);
    if (!annotations.index.empty() || !annotations.index_descriptor.empty()) {
      return absl::InvalidArgumentError(
          "index annotations not supported for single platform export");
    }
    ASSIGN_OR_RETURN(image.target, WriteManifest(platforms[0]));
  }
  image.manifests.push_back(image.target);
  return absl::OkStatus();
}

StatusOr<WrittenImage> ImageWriter::Write(const SolvedResult& result, ImageOptions options,
                                          ExportContext& context) {
  std::map<std::string, std::string> metadata = result.metadata;
  RETURN_IF_ERROR(options.annotations.TakeFrom(metadata));
  Writing writing{.parts = parts_, .result = result, .options = options, .context = context};
  RETURN_IF_ERROR(writing.Run());
  RETURN_IF_ERROR(parts_.chains.trees().blobs().MakeDurable());
  return std::move(writing.image);
}

std::map<std::string, std::string> ResponseOf(const WrittenImage& image) {
  std::map<std::string, std::string> response;
  response["containerimage.digest"] = image.target.digest.ToString();
  if (image.config_digest.has_value()) {
    response["containerimage.config.digest"] = image.config_digest->ToString();
  }
  response["containerimage.descriptor"] =
      absl::Base64Escape(registry::SerializeDescriptor(image.target));
  return response;
}

}  // namespace cairn::exporter

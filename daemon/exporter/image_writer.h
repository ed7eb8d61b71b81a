// ImageWriter: a result's layers, configs, manifests and index, put into the blob store.
//
// A result for one platform without attestations is a plain manifest; else an index lists the
// images, then their attestations. What is written is deterministic: times come from the config,
// from source-date-epoch, or from when a layer was first exported. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cache/registry/manifest.h"
#include "daemon/exporter/exporter.h"
#include "daemon/exporter/exporters.h"
#include "daemon/exporter/image_options.h"
#include "daemon/exporter/result_platforms.h"

namespace cairn::exporter {

// A blob of a written image.
struct ImageContent {
  registry::Descriptor descriptor;
  std::string origin;  // "host/repository" that has it, for mounts; may be empty
};

struct WrittenImage {
  // The manifest or index; with the platform, for a manifest, and the descriptor annotations.
  registry::Descriptor target;
  std::optional<Digest> config_digest;          // of a plain manifest
  std::vector<ImageContent> blobs;              // configs, layers, statements; each once
  std::vector<registry::Descriptor> manifests;  // children before the index; `target` is the last

  // All of it.
  std::vector<Digest> reached() const;
};

class ImageWriter {
 public:
  explicit ImageWriter(const ExporterParts& parts) : parts_(parts) {}

  // `options` as of the request; annotations and times of the result's metadata are added.
  StatusOr<WrittenImage> Write(const SolvedResult& result, ImageOptions options,
                               ExportContext& context);

 private:
  struct Writing;  // one call of Write
  const ExporterParts parts_;
};

// The response keys of a written image: digest, config digest, descriptor (base64 of its JSON).
std::map<std::string, std::string> ResponseOf(const WrittenImage& image);

}  // namespace cairn::exporter

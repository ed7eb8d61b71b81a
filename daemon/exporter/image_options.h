// What an image exporter is asked for (attributes of image, oci and docker, protocol.md 7.1).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cache/layer/exporter.h"
#include "daemon/exporter/annotations.h"

namespace cairn::exporter {

struct ImageOptions {
  std::string names;  // comma list; "*" takes the frontend's
  bool oci_types = true;
  bool oci_artifact = true;
  bool inline_attestations = false;
  bool rewrite_timestamp = false;
  bool prefer_nondistributable = false;
  layer::Compression compression = layer::Compression::kGzip;
  std::optional<int> level;
  bool force_compression = false;
  // Set when given; without a value the frontend's time is not used either.
  std::optional<std::optional<int64_t>> epoch;
  AnnotationGroups annotations;

  // Reads `attributes` and takes what it knows out of them. kInvalidArgument for values that make
  // no sense, together or alone; kUnimplemented for estargz.
  static StatusOr<ImageOptions> TakeFrom(std::map<std::string, std::string>& attributes);

  // The names, normalised: "docker.io/library/app:latest".
  static StatusOr<std::vector<std::string>> NormalizedNames(const std::string& names);
};

}  // namespace cairn::exporter

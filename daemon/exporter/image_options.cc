#include "daemon/exporter/image_options.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cache/registry/reference.h"
#include "daemon/exporter/result_platforms.h"

namespace cairn::exporter {
namespace {

Status SetCompression(const std::string& value, layer::Compression& compression) {
  if (value == "gzip") {
    compression = layer::Compression::kGzip;
  } else if (value == "uncompressed") {
    compression = layer::Compression::kNone;
  } else if (value == "zstd") {
    compression = layer::Compression::kZstd;
  } else if (value == "estargz") {
    return absl::UnimplementedError(
        "compression type estargz is not supported; use gzip, zstd or uncompressed");
  } else {
    return absl::InvalidArgumentError(absl::StrCat("unsupported compression type ", value));
  }
  return absl::OkStatus();
}

// Reads one attribute; false when it is not one of an image's.
StatusOr<bool> SetAttribute(const std::string& key, const std::string& value, ImageOptions& options,
                            std::optional<bool>& artifact) {
  if (key == "name") {
    options.names = value;
    // Before anything is built for a name that nothing can have. "*": the frontend names the image.
    if (value != "*") {
      RETURN_IF_ERROR(ImageOptions::NormalizedNames(value).status());
    }
  } else if (key == "oci-mediatypes") {
    ASSIGN_OR_RETURN(options.oci_types, ParseBool(key, value));
  } else if (key == "oci-artifact") {
    ASSIGN_OR_RETURN(artifact, ParseBool(key, value));
  } else if (key == "attestation-inline") {
    ASSIGN_OR_RETURN(options.inline_attestations, ParseBool(key, value));
  } else if (key == "rewrite-timestamp") {
    ASSIGN_OR_RETURN(options.rewrite_timestamp, ParseBool(key, value));
  } else if (key == "prefer-nondist-layers") {
    ASSIGN_OR_RETURN(options.prefer_nondistributable, ParseBool(key, value));
  } else if (key == "force-compression") {
    ASSIGN_OR_RETURN(options.force_compression, ParseBool(key, value));
  } else if (key == "compression") {
    RETURN_IF_ERROR(SetCompression(value, options.compression));
  } else if (key == "compression-level") {
    int level = 0;
    if (!absl::SimpleAtoi(value, &level)) {
      return absl::InvalidArgumentError(
          absl::StrCat("non-int value specified for compression-level: ", value));
    }
    options.level = level;
  } else if (key == "source-date-epoch") {
    ASSIGN_OR_RETURN(options.epoch, ParseEpoch(value));
  } else {
    return false;
  }
  return true;
}

}  // namespace

StatusOr<ImageOptions> ImageOptions::TakeFrom(std::map<std::string, std::string>& attributes) {
  ImageOptions options;
  std::optional<bool> artifact;
  RETURN_IF_ERROR(options.annotations.TakeFrom(attributes));
  for (auto it = attributes.begin(); it != attributes.end();) {
    ASSIGN_OR_RETURN(const bool known, SetAttribute(it->first, it->second, options, artifact));
    it = known ? attributes.erase(it) : std::next(it);
  }
  if (!options.oci_types && artifact.value_or(false)) {
    return absl::InvalidArgumentError(
        "exporter option \"oci-artifact=true\" conflicts with \"oci-mediatypes=false\"");
  }
  options.oci_artifact = artifact.value_or(options.oci_types);
  return options;
}

StatusOr<std::vector<std::string>> ImageOptions::NormalizedNames(const std::string& names) {
  std::vector<std::string> result;
  if (names.empty()) {
    return result;
  }
  for (const string_view name : absl::StrSplit(names, ',')) {
    ASSIGN_OR_RETURN_IN(const registry::ImageReference reference,
                        registry::ImageReference::Parse(name),
                        absl::StrCat("invalid tag \"", name, "\""));
    result.push_back(reference.ToString());
  }
  return result;
}

}  // namespace cairn::exporter

#include "daemon/caches/cache_export.h"

#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cache/registry/manifest.h"
#include "cache/remote/registry_cache.h"
#include "daemon/caches/attributes.h"
#include "daemon/caches/client_directory.h"
#include "daemon/exporter/image_options.h"
#include "daemon/exporter/progress_line.h"
#include "daemon/exporter/result_platforms.h"

namespace cairn::caches {
namespace {

constexpr char kManifestKey[] = "cache.manifest";

StatusOr<std::optional<bool>> FlagOf(const Attributes& attributes, const std::string& key) {
  if (attributes.count(key) == 0) {
    return std::optional<bool>();
  }
  ASSIGN_OR_RETURN_IN(const bool value, exporter::ParseBool(key, ValueOf(attributes, key)),
                      absl::StrCat("failed to parse ", key));
  return std::optional<bool>(value);
}

}  // namespace

StatusOr<std::unique_ptr<CacheExport>> CacheExport::Resolve(const CacheParts& parts,
                                                            const std::string& type,
                                                            const Attributes& attributes,
                                                            const session::SessionGroup& group) {
  if (type != "registry" && type != "local") {
    return absl::InvalidArgumentError(absl::StrCat("unknown cache exporter: \"", type, "\""));
  }
  std::unique_ptr<CacheExport> resolved(new CacheExport(parts));
  const std::string context = absl::StrCat("failed to configure ", type, " cache exporter");
  RETURN_IF_ERROR_IN(resolved->SetPlace(type, attributes, group), context);
  RETURN_IF_ERROR_IN(resolved->SetFormat(attributes), context);
  return resolved;
}

Status CacheExport::SetPlace(const std::string& type, const Attributes& attributes,
                             const session::SessionGroup& group) {
  if (type == "local") {
    const std::string directory = ValueOf(attributes, "dest");
    if (directory.empty()) {
      return absl::InvalidArgumentError("local cache exporter requires dest");
    }
    name_ = "exporting cache to client directory";
    target_ = std::make_unique<DirectoryTarget>(parts_.sessions, group, directory);
    return absl::OkStatus();
  }
  const std::string ref = ValueOf(attributes, "ref");
  if (ref.empty()) {
    return absl::InvalidArgumentError("missing ref");
  }
  ASSIGN_OR_RETURN(registry::ImageReference reference, registry::ImageReference::Parse(ref));
  ASSIGN_OR_RETURN(const std::optional<bool> insecure, FlagOf(attributes, "registry.insecure"));
  name_ = "exporting cache to registry";
  target_ = std::make_unique<remote::RegistryTarget>(
      parts_.registry, std::move(reference), insecure.value_or(false),
      [make = parts_.credentials, group] { return make(group); });
  return absl::OkStatus();
}

Status CacheExport::SetFormat(Attributes attributes) {
  ASSIGN_OR_RETURN(const std::optional<bool> oci, FlagOf(attributes, "oci-mediatypes"));
  ASSIGN_OR_RETURN(const std::optional<bool> manifest, FlagOf(attributes, "image-manifest"));
  format_.oci_media_types = oci.value_or(true);
  format_.image_manifest = manifest.value_or(format_.oci_media_types);
  // BuildKit takes any other mode for "min", too, and any other value for "do not ignore".
  options_.all_layers = ValueOf(attributes, "mode") == "max";
  bool ignores = false;
  ignores_errors_ = absl::SimpleAtob(ValueOf(attributes, "ignore-error"), &ignores) && ignores;
  ASSIGN_OR_RETURN(const exporter::ImageOptions image,
                   exporter::ImageOptions::TakeFrom(attributes));
  options_.layers = {.compression = image.compression,
                     .level = image.level,
                     .force = image.force_compression,
                     .oci_media_types = format_.oci_media_types,
                     .clamp_mtime = std::nullopt};
  return absl::OkStatus();
}

StatusOr<std::map<std::string, std::string>> CacheExport::Run(CacheExportContext& context) {
  remote::CacheContent content;
  {
    const exporter::ProgressLine line(context.reporter, parts_.clock,
                                      "preparing build cache for export");
    ASSIGN_OR_RETURN(content, MakeCacheContent(parts_, context.steps, context.results, options_,
                                               context.lease, context.cancel));
  }
  std::map<std::string, std::string> response;
  if (content.document.layers.empty()) {
    const exporter::ProgressLine line(context.reporter, parts_.clock,
                                      "skipping cache export for empty result");
    return response;
  }
  if (format_.image_manifest && !format_.oci_media_types) {
    return absl::InvalidArgumentError(
        "invalid configuration for remote cache, OCI mediatypes are required for image-manifest "
        "cache format");
  }
  const exporter::ProgressLine line(context.reporter, parts_.clock, "sending cache export");
  const auto step = [&](const std::string& name, const std::function<Status()>& work) {
    const exporter::ProgressLine of_step(context.reporter, parts_.clock, name);
    return work();
  };
  ASSIGN_OR_RETURN(const registry::Descriptor written,
                   remote::WriteCache(parts_.chains.trees().blobs(), content, format_, *target_,
                                      step, context.cancel));
  response[kManifestKey] = registry::SerializeDescriptor(written);
  return response;
}

}  // namespace cairn::caches

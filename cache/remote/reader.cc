#include "cache/remote/reader.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "cache/registry/manifest.h"

namespace cairn::remote {
namespace {

using SortedJson = nlohmann::json;
using registry::Descriptor;

constexpr uint64_t kMaxConfigBytes = 32 << 20;

StatusOr<std::string> ReadConfig(CacheSource& source, const Descriptor& descriptor,
                                 const CancelToken& cancel) {
  std::string text;
  fs::StringSink sink(&text, kMaxConfigBytes);
  RETURN_IF_ERROR_IN(source.Fetch(descriptor, sink, cancel),
                     absl::StrCat("read cache config ", descriptor.digest.ToString()));
  return text;
}

// The times at which the layers of an image were made, as its history tells.
std::vector<absl::Time> LayerTimes(const SortedJson& config) {
  std::vector<absl::Time> times;
  const auto history = config.find("history");
  if (history == config.end() || !history->is_array()) {
    return times;
  }
  for (const SortedJson& entry : *history) {
    if (!entry.is_object() || entry.value("empty_layer", SortedJson(false)) == SortedJson(true)) {
      continue;
    }
    absl::Time time = absl::InfinitePast();
    const auto created = entry.find("created");
    if (created == entry.end() || !created->is_string() ||
        !absl::ParseTime(absl::RFC3339_full, created->get_ref<const std::string&>(), &time,
                         nullptr)) {
      time = absl::InfinitePast();
    }
    times.push_back(time);
  }
  return times;
}

// What an image carries inline; nullopt when it carries nothing.
StatusOr<std::optional<CacheDocument>> ReadInline(CacheSource& source,
                                                  const registry::Manifest& manifest,
                                                  const CancelToken& cancel) {
  if (manifest.layers.empty() || !registry::IsLayerType(manifest.layers[0].media_type)) {
    return std::nullopt;  // an attestation, or some other artifact
  }
  ASSIGN_OR_RETURN(const std::string text, ReadConfig(source, manifest.config, cancel));
  const SortedJson config = SortedJson::parse(text, nullptr, false);
  const auto found = config.is_object() ? config.find(kInlineCacheKey) : config.end();
  std::string records;
  if (found == config.end() || !found->is_string() ||
      !absl::Base64Unescape(found->get_ref<const std::string&>(), &records)) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const registry::ImageConfigInfo info, registry::ParseImageConfig(text));
  if (info.diff_ids.size() != manifest.layers.size()) {
    return absl::InvalidArgumentError("the image's manifest and config do not match");
  }
  const std::vector<absl::Time> times = LayerTimes(config);
  std::vector<DocumentLayer> layers;
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    layers.push_back({.blob = manifest.layers[i],
                      .diff_id = info.diff_ids[i],
                      .created = i < times.size() ? times[i] : absl::InfinitePast()});
  }
  ASSIGN_OR_RETURN(CacheDocument document, DecodeRecords(records, std::move(layers)));
  return document;
}

Status ReadImage(CacheSource& source, const std::string& document, const CancelToken& cancel,
                 FoundCache& found) {
  ASSIGN_OR_RETURN(const registry::Manifest manifest, registry::ParseManifest(document));
  if (manifest.config.media_type == kCacheConfigType) {
    ASSIGN_OR_RETURN(const std::string config, ReadConfig(source, manifest.config, cancel));
    ASSIGN_OR_RETURN(CacheDocument read, DecodeConfig(config, manifest.layers));
    found.documents.push_back(std::move(read));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::optional<CacheDocument> read, ReadInline(source, manifest, cancel));
  if (read) {
    found.documents.push_back(*std::move(read));
  }
  return absl::OkStatus();
}

Status ReadIndex(CacheSource& source, const std::string& document, const CancelToken& cancel,
                 FoundCache& found) {
  ASSIGN_OR_RETURN(const registry::Index index, registry::ParseIndex(document));
  for (const Descriptor& entry : index.manifests) {
    if (entry.media_type == kCacheConfigType) {
      ASSIGN_OR_RETURN(const std::string config, ReadConfig(source, entry, cancel));
      ASSIGN_OR_RETURN(CacheDocument read, DecodeConfig(config, index.manifests));
      found.documents.push_back(std::move(read));
      return absl::OkStatus();
    }
  }
  Status first;
  for (const Descriptor& entry : index.manifests) {
    RETURN_IF_ERROR(cancel.Check());
    if (!registry::IsManifestType(entry.media_type)) {
      continue;
    }
    const StatusOr<std::string> image = source.ReadManifest(entry, cancel);
    const Status read = image.ok() ? ReadImage(source, *image, cancel, found) : image.status();
    first.Update(read);
  }
  return found.documents.empty() ? first : absl::OkStatus();
}

}  // namespace

StatusOr<FoundCache> ReadCache(CacheSource& source, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const Descriptor top, source.Resolve(cancel));
  ASSIGN_OR_RETURN(const std::string document, source.ReadManifest(top, cancel));
  ASSIGN_OR_RETURN(const bool is_index, registry::IsIndexDocument(top.media_type, document));
  FoundCache found;
  found.media_type = top.media_type.empty() ? (is_index ? registry::media_type::kOciIndex
                                                        : registry::media_type::kOciManifest)
                                            : top.media_type;
  RETURN_IF_ERROR(is_index ? ReadIndex(source, document, cancel, found)
                           : ReadImage(source, document, cancel, found));
  return found;
}

}  // namespace cairn::remote

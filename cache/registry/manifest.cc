#include "cache/registry/manifest.h"

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "cache/registry/json.h"
#include "runtime/base/go_quote.h"

namespace cairn::registry {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr size_t kMaxDescriptors = 10000;
constexpr char kAttestationType[] = "vnd.docker.reference.type";

Status BadDocument(string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("bad image document: ", what));
}

// A text field; "" when absent, an error when it is something else.
StatusOr<std::string> Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) {
    return std::string();
  }
  if (!found->is_string()) {
    return BadDocument(absl::StrCat("\"", key, "\" is not a text"));
  }
  return found->get<std::string>();
}

StatusOr<std::map<std::string, std::string>> Annotations(const Json& object) {
  std::map<std::string, std::string> result;
  const auto found = object.find("annotations");
  if (found == object.end() || found->is_null()) {
    return result;
  }
  if (!found->is_object()) {
    return BadDocument("\"annotations\" is not an object");
  }
  for (const auto& item : found->items()) {
    if (!item.value().is_string()) {
      return BadDocument("an annotation is not a text");
    }
    result[item.key()] = item.value().get<std::string>();
  }
  return result;
}

StatusOr<std::vector<std::string>> Texts(const Json& object, const char* key) {
  std::vector<std::string> result;
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) {
    return result;
  }
  if (!found->is_array()) {
    return BadDocument(absl::StrCat("\"", key, "\" is not a list"));
  }
  for (const Json& item : *found) {
    if (!item.is_string()) {
      return BadDocument(absl::StrCat("\"", key, "\" holds something else than texts"));
    }
    result.push_back(item.get<std::string>());
  }
  return result;
}

StatusOr<Platform> PlatformOf(const Json& object) {
  Platform platform;
  ASSIGN_OR_RETURN(platform.os, Text(object, "os"));
  ASSIGN_OR_RETURN(platform.architecture, Text(object, "architecture"));
  ASSIGN_OR_RETURN(platform.variant, Text(object, "variant"));
  ASSIGN_OR_RETURN(platform.os_version, Text(object, "os.version"));
  ASSIGN_OR_RETURN(platform.os_features, Texts(object, "os.features"));
  return platform;
}

StatusOr<Descriptor> DescriptorOf(const Json& object) {
  if (!object.is_object()) {
    return BadDocument("a descriptor is not an object");
  }
  ASSIGN_OR_RETURN(const std::string digest_text, Text(object, "digest"));
  ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(digest_text));
  Descriptor descriptor{.digest = digest};
  ASSIGN_OR_RETURN(descriptor.media_type, Text(object, "mediaType"));
  ASSIGN_OR_RETURN(descriptor.artifact_type, Text(object, "artifactType"));
  ASSIGN_OR_RETURN(descriptor.annotations, Annotations(object));
  ASSIGN_OR_RETURN(descriptor.urls, Texts(object, "urls"));
  const auto size = object.find("size");
  if (size == object.end() || !size->is_number_integer() ||
      (!size->is_number_unsigned() && size->get<int64_t>() < 0)) {
    return BadDocument("a descriptor without a size");
  }
  descriptor.size = size->get<uint64_t>();
  ASSIGN_OR_RETURN(const std::string data, Text(object, "data"));
  if (!absl::Base64Unescape(data, &descriptor.data)) {
    return BadDocument("a descriptor whose data is not base64");
  }
  const auto platform = object.find("platform");
  if (platform != object.end() && platform->is_object()) {
    ASSIGN_OR_RETURN(descriptor.platform, PlatformOf(*platform));
  }
  return descriptor;
}

StatusOr<std::vector<Descriptor>> Descriptors(const Json& object, const char* key) {
  std::vector<Descriptor> result;
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) {
    return result;
  }
  if (!found->is_array() || found->size() > kMaxDescriptors) {
    return BadDocument(absl::StrCat("\"", key, "\" is not a list of at most ", kMaxDescriptors));
  }
  for (const Json& item : *found) {
    ASSIGN_OR_RETURN(Descriptor descriptor, DescriptorOf(item));
    result.push_back(std::move(descriptor));
  }
  return result;
}

StatusOr<Json> ParseDocument(string_view document) {
  if (document.size() > kMaxManifestBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("image document of more than ", kMaxManifestBytes, " bytes"));
  }
  RETURN_IF_ERROR(CheckStrictJson(document, "bad image document"));
  Json json = Json::parse(document.begin(), document.end());
  if (json.contains("manifests") && (json.contains("layers") || json.contains("config"))) {
    return BadDocument("both an index and a manifest");
  }
  if (json.contains("fsLayers") || json.value("schemaVersion", Json(2)) != Json(2)) {
    return BadDocument("a schema version other than 2 (Docker's old format is not supported)");
  }
  return json;
}

OrderedJson ToJson(const Descriptor& descriptor) {
  OrderedJson json;
  json["mediaType"] = descriptor.media_type;
  json["digest"] = descriptor.digest.ToString();
  json["size"] = descriptor.size;
  if (!descriptor.urls.empty()) {
    json["urls"] = descriptor.urls;
  }
  if (!descriptor.annotations.empty()) {
    json["annotations"] = descriptor.annotations;
  }
  if (!descriptor.data.empty()) {
    json["data"] = absl::Base64Escape(descriptor.data);
  }
  if (descriptor.platform.has_value()) {
    OrderedJson platform;
    platform["architecture"] = descriptor.platform->architecture;
    platform["os"] = descriptor.platform->os;
    if (!descriptor.platform->os_version.empty()) {
      platform["os.version"] = descriptor.platform->os_version;
    }
    if (!descriptor.platform->os_features.empty()) {
      platform["os.features"] = descriptor.platform->os_features;
    }
    if (!descriptor.platform->variant.empty()) {
      platform["variant"] = descriptor.platform->variant;
    }
    json["platform"] = std::move(platform);
  }
  if (!descriptor.artifact_type.empty()) {
    json["artifactType"] = descriptor.artifact_type;
  }
  return json;
}

OrderedJson ToJson(const std::vector<Descriptor>& descriptors) {
  OrderedJson list = OrderedJson::array();
  for (const Descriptor& descriptor : descriptors) {
    list.push_back(ToJson(descriptor));
  }
  return list;
}

// Text that is not UTF-8 (in an annotation) is written with replacement characters.
std::string Dump(const OrderedJson& json, int indent) {
  return GoJson(json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace));
}

}  // namespace

bool IsIndexType(string_view type) {
  return type == media_type::kOciIndex || type == media_type::kDockerIndex;
}

bool IsManifestType(string_view type) {
  return type == media_type::kOciManifest || type == media_type::kDockerManifest;
}

bool IsForeignLayerType(string_view type) {
  return absl::StrContains(type, ".foreign.") || absl::StrContains(type, ".nondistributable.");
}

bool IsLayerType(string_view type) {
  return absl::StartsWith(type, "application/vnd.oci.image.layer.") ||
         absl::StartsWith(type, "application/vnd.docker.image.rootfs.");
}

StatusOr<bool> IsIndexDocument(string_view type, string_view document) {
  ASSIGN_OR_RETURN(const Json json, ParseDocument(document));
  ASSIGN_OR_RETURN(const std::string own_type, Text(json, "mediaType"));
  const bool index = json.contains("manifests");
  if (!index && !json.contains("layers") && !json.contains("config")) {
    return BadDocument("neither an index nor a manifest");
  }
  for (const string_view announced : {type, string_view(own_type)}) {
    if ((IsIndexType(announced) && !index) || (IsManifestType(announced) && index)) {
      return BadDocument(absl::StrCat("announced as ", announced, ", but it is the other kind"));
    }
  }
  if ((IsIndexType(type) || IsManifestType(type)) && !own_type.empty() && type != own_type) {
    return BadDocument(absl::StrCat("announced as ", type, ", but it says ", own_type));
  }
  return index;
}

StatusOr<Manifest> ParseManifest(string_view document) {
  ASSIGN_OR_RETURN(const Json json, ParseDocument(document));
  if (json.contains("manifests") || !json.contains("config")) {
    return BadDocument("not a manifest");
  }
  ASSIGN_OR_RETURN(Descriptor config, DescriptorOf(json["config"]));
  Manifest manifest{.config = std::move(config)};
  ASSIGN_OR_RETURN(manifest.media_type, Text(json, "mediaType"));
  ASSIGN_OR_RETURN(manifest.artifact_type, Text(json, "artifactType"));
  ASSIGN_OR_RETURN(manifest.layers, Descriptors(json, "layers"));
  ASSIGN_OR_RETURN(manifest.annotations, Annotations(json));
  if (json.contains("subject")) {
    ASSIGN_OR_RETURN(manifest.subject, DescriptorOf(json["subject"]));
  }
  return manifest;
}

StatusOr<Index> ParseIndex(string_view document) {
  ASSIGN_OR_RETURN(const Json json, ParseDocument(document));
  if (!json.contains("manifests")) {
    return BadDocument("not an index");
  }
  Index index;
  ASSIGN_OR_RETURN(index.media_type, Text(json, "mediaType"));
  ASSIGN_OR_RETURN(index.manifests, Descriptors(json, "manifests"));
  ASSIGN_OR_RETURN(index.annotations, Annotations(json));
  return index;
}

StatusOr<ImageConfigInfo> ParseImageConfig(string_view document) {
  RETURN_IF_ERROR(CheckStrictJson(document, "bad image config"));
  const Json json = Json::parse(document.begin(), document.end());
  ImageConfigInfo info;
  ASSIGN_OR_RETURN(info.platform, PlatformOf(json));
  const auto created = json.find("created");
  absl::Time time;
  if (created != json.end() && created->is_string() &&
      absl::ParseTime(absl::RFC3339_full, created->get<std::string>(), &time, nullptr)) {
    info.created = time;
  }
  const auto rootfs = json.find("rootfs");
  if (rootfs == json.end() || !rootfs->is_object()) {
    return info;
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> texts, Texts(*rootfs, "diff_ids"));
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(const Digest diff_id, Digest::Parse(text));
    info.diff_ids.push_back(diff_id);
  }
  return info;
}

std::string SerializeManifest(const Manifest& manifest) {
  OrderedJson json;
  json["schemaVersion"] = 2;
  json["mediaType"] = manifest.media_type;
  if (!manifest.artifact_type.empty()) {
    json["artifactType"] = manifest.artifact_type;
  }
  json["config"] = ToJson(manifest.config);
  // An image without layers has none at all, in BuildKit's manifests too.
  json["layers"] = manifest.layers.empty() ? OrderedJson() : ToJson(manifest.layers);
  if (manifest.subject.has_value()) {
    json["subject"] = ToJson(*manifest.subject);
  }
  if (!manifest.annotations.empty()) {
    json["annotations"] = manifest.annotations;
  }
  return Dump(json, 2);
}

std::string SerializeIndex(const Index& index) {
  OrderedJson json;
  json["schemaVersion"] = 2;
  json["mediaType"] = index.media_type;
  json["manifests"] = ToJson(index.manifests);
  if (!index.annotations.empty()) {
    json["annotations"] = index.annotations;
  }
  return Dump(json, 2);
}

std::string SerializeDescriptor(const Descriptor& descriptor) {
  return Dump(ToJson(descriptor), -1);
}

StatusOr<Descriptor> ParseDescriptor(string_view text) {
  RETURN_IF_ERROR(CheckStrictJson(text, "bad descriptor"));
  const Json json = Json::parse(text.begin(), text.end());
  return DescriptorOf(json);
}

std::optional<Descriptor> SelectPlatform(const Index& index, const Platform& wanted) {
  const Platform normal = wanted.Normalized();
  // Higher is better: 3 equal, 2 a variant that runs here, 1 no platform given.
  const Descriptor* best = nullptr;
  int best_rank = 0;
  std::string best_variant;
  std::string best_os_version;
  for (const Descriptor& entry : index.manifests) {
    if (entry.annotations.count(kAttestationType) != 0 || entry.media_type.empty()) {
      continue;
    }
    int rank = 0;
    std::string variant;
    std::string os_version;
    if (!entry.platform.has_value()) {
      rank = 1;
    } else if (normal.Accepts(*entry.platform)) {
      variant = entry.platform->Normalized().variant;
      os_version = normal.os == "windows" ? entry.platform->os_version : "";
      rank = variant == normal.variant ? 3 : 2;
    }
    // Variants of one architecture compare as texts: "", v2, v3; v5, v6, v7.
    if (rank > best_rank || (rank == 2 && best_rank == 2 && variant > best_variant) ||
        (rank == best_rank && variant == best_variant && os_version > best_os_version)) {
      best = &entry;
      best_rank = rank;
      best_variant = variant;
      best_os_version = os_version;
    }
  }
  return best == nullptr ? std::nullopt : std::make_optional(*best);
}

}  // namespace cairn::registry

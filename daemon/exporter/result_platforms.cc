#include "daemon/exporter/result_platforms.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cache/registry/manifest.h"
#include "runtime/base/go_quote.h"

namespace cairn::exporter {
namespace {

constexpr char kPlatformsKey[] = "refs.platforms";
constexpr char kConfigKey[] = "containerimage.config";
constexpr char kEpochKey[] = "source.date.epoch";

std::string TextOf(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Status Bad(string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("invalid platforms for exporter: ", what));
}

// {"Platforms":[{"ID":"linux/amd64","Platform":{"architecture":"amd64","os":"linux"}}]}
StatusOr<std::vector<ResultPlatform>> ParseList(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  std::vector<ResultPlatform> platforms;
  if (json.is_discarded()) {
    return Bad("it is no JSON");
  }
  if (!json.is_object() || !json.contains("Platforms") || !json["Platforms"].is_array() ||
      json["Platforms"].empty()) {
    return absl::InvalidArgumentError("invalid empty platforms index for exporter");
  }
  for (const nlohmann::json& item : json["Platforms"]) {
    if (!item.is_object() || !item.contains("Platform") || !item["Platform"].is_object()) {
      return Bad("no platform in an entry");
    }
    const nlohmann::json& value = item["Platform"];
    ResultPlatform platform{.id = TextOf(item, "ID")};
    platform.platform = Platform{.os = TextOf(value, "os"),
                                 .architecture = TextOf(value, "architecture"),
                                 .variant = TextOf(value, "variant"),
                                 .os_version = TextOf(value, "os.version")};
    if (platform.id.empty()) {
      return absl::InvalidArgumentError("invalid empty platform key for exporter");
    }
    if (platform.platform.os.empty() || platform.platform.architecture.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("invalid platform value for ", platform.id, ": no os or architecture"));
    }
    if (value.contains("os.features") && value["os.features"].is_array()) {
      for (const nlohmann::json& feature : value["os.features"]) {
        if (feature.is_string()) {
          platform.platform.os_features.push_back(feature.get<std::string>());
        }
      }
    }
    platform.platform = platform.platform.Normalized();
    platforms.push_back(std::move(platform));
  }
  return platforms;
}

// Without a list: what the image config says.
StatusOr<std::vector<ResultPlatform>> FromConfig(
    const std::map<std::string, std::string>& metadata) {
  Platform platform = Platform::Host();
  const auto config = metadata.find(kConfigKey);
  if (config != metadata.end() && !config->second.empty()) {
    if (absl::StripAsciiWhitespace(config->second) == "null") {
      return absl::InvalidArgumentError("invalid null image config for export");
    }
    ASSIGN_OR_RETURN(const registry::ImageConfigInfo info,
                     registry::ParseImageConfig(config->second));
    if (info.platform.os.empty() != info.platform.architecture.empty()) {
      return absl::InvalidArgumentError(
          "invalid image config: os and architecture must be specified together");
    }
    if (!info.platform.os.empty()) {
      platform = info.platform.Normalized();
    }
  }
  return std::vector<ResultPlatform>{{.id = platform.ToString(), .platform = platform}};
}

}  // namespace

StatusOr<std::vector<ResultPlatform>> PlatformsOf(const SolvedResult& result) {
  const auto list = result.metadata.find(kPlatformsKey);
  if (list == result.metadata.end() && IsMap(result)) {
    return absl::InvalidArgumentError("unable to export multiple refs, missing platforms mapping");
  }
  ASSIGN_OR_RETURN(std::vector<ResultPlatform> platforms, list != result.metadata.end()
                                                              ? ParseList(list->second)
                                                              : FromConfig(result.metadata));
  if (!IsMap(result)) {
    if (platforms.size() > 1) {
      return absl::InvalidArgumentError(
          "cannot export multiple platforms without multi-platform enabled");
    }
    platforms[0].chain = result.single.value_or(std::nullopt);
    return platforms;
  }
  for (ResultPlatform& platform : platforms) {
    const auto found = result.by_platform.find(platform.id);
    if (found == result.by_platform.end()) {
      return absl::InvalidArgumentError(absl::StrCat("failed to find ref for ID ", platform.id));
    }
    platform.chain = found->second;
  }
  return platforms;
}

const std::string* FindMetadata(const std::map<std::string, std::string>& metadata,
                                const std::string& key, const std::string& platform_id) {
  for (const std::string& candidate : {absl::StrCat(key, "/", platform_id), key}) {
    const auto found = metadata.find(candidate);
    if (found != metadata.end()) {
      return &found->second;
    }
  }
  return nullptr;
}

StatusOr<std::optional<int64_t>> EpochOf(const std::map<std::string, std::string>& metadata,
                                         const std::string& platform_id) {
  const std::string* text = FindMetadata(metadata, kEpochKey, platform_id);
  if (text == nullptr) {
    return std::nullopt;
  }
  return ParseEpoch(*text);
}

StatusOr<bool> ParseBool(const std::string& key, const std::string& value) {
  for (const char* word : {"", "1", "t", "T", "true", "TRUE", "True"}) {
    if (value == word) {
      return true;
    }
  }
  for (const char* word : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (value == word) {
      return false;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("non-bool value specified for ", key,
                                                 ": strconv.ParseBool: parsing ", GoQuote(value),
                                                 ": invalid syntax"));
}

StatusOr<std::optional<int64_t>> ParseEpoch(const std::string& value) {
  if (value.empty()) {
    return std::nullopt;
  }
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(value, &seconds)) {
    return absl::InvalidArgumentError(absl::StrCat("invalid source-date-epoch: ", value));
  }
  return seconds;
}

}  // namespace cairn::exporter

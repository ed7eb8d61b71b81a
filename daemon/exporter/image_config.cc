#include "daemon/exporter/image_config.h"

#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "cache/remote/document.h"
#include "runtime/base/go_quote.h"

namespace cairn::exporter {
namespace {

// Keeps the order of keys: equal configs are to have equal digests whoever builds them. At the top
// keys are sorted; what the frontend wrote in `config` stays in its order, and history and rootfs
// have that of the image specification's structures.
using Json = nlohmann::ordered_json;

constexpr char kComment[] = "buildkit.exporter.image.v0";
constexpr char kDefaultPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

Json DefaultConfig() {
  const Platform host = Platform::Host();
  Json config = {{"architecture", host.architecture},
                 {"os", host.os},
                 {"config", {{"Env", {kDefaultPath}}, {"WorkingDir", "/"}}}};
  if (!host.variant.empty()) {
    config["variant"] = host.variant;
  }
  return config;
}

bool IsEmptyLayer(const Json& entry) {
  const auto found = entry.find("empty_layer");
  return found != entry.end() && found->is_boolean() && found->get<bool>();
}

std::optional<absl::Time> TimeOf(const Json& object) {
  const auto found = object.find("created");
  absl::Time time;
  if (found == object.end() || !found->is_string() ||
      !absl::ParseTime(absl::RFC3339_full, found->get_ref<const std::string&>(), &time, nullptr)) {
    return std::nullopt;
  }
  return time;
}

// Makes the entries that are not of empty layers as many as there are layers.
void MatchLayers(const std::vector<ConfigLayer>& layers, Json& history) {
  size_t count = 0;
  for (Json& entry : history) {
    if (IsEmptyLayer(entry)) {
      continue;
    }
    if (count >= layers.size()) {
      entry["empty_layer"] = true;  // an entry for a layer that does not exist
      continue;
    }
    if (!TimeOf(entry).has_value()) {
      entry["created"] = FormatTimestamp(layers[count].created);
    }
    ++count;
  }
  for (; count < layers.size(); ++count) {
    history.push_back(Json{{"created", FormatTimestamp(layers[count].created)},
                           {"created_by", "created by buildkit"},
                           {"comment", kComment}});
  }
}

// Gives entries of empty layers a time: of the first new layer, later of the layer before.
void FillTimes(Json& history) {
  std::optional<absl::Time> created;
  bool missing = false;
  for (const Json& entry : history) {
    const std::optional<absl::Time> time = TimeOf(entry);
    if (time.has_value()) {
      created = time;
      if (missing) {
        break;
      }
    } else {
      missing = true;
    }
  }
  missing = false;
  for (Json& entry : history) {
    const std::optional<absl::Time> time = TimeOf(entry);
    if (time.has_value()) {
      created = missing ? time : created;
      continue;
    }
    missing = true;
    if (created.has_value()) {
      entry["created"] = FormatTimestamp(*created);
    }
  }
}

// A history entry with the keys that the image specification knows, in its order.
Json NormalEntry(const Json& entry) {
  Json normal = Json::object();
  for (const char* key : {"created", "created_by", "author", "comment", "empty_layer"}) {
    const auto found = entry.find(key);
    if (found != entry.end() && !found->is_null() && *found != "" && *found != false) {
      normal[key] = *found;
    }
  }
  return normal;
}

// No entry beyond the base image's own is later than `limit`.
void ClampHistory(absl::Time limit, const Json& base_history, Json& history) {
  bool diverged = false;
  for (size_t i = 0; i < history.size(); ++i) {
    if (!diverged && base_history.is_array() && i < base_history.size() &&
        NormalEntry(base_history[i]) == NormalEntry(history[i])) {
      continue;
    }
    diverged = true;
    const std::optional<absl::Time> time = TimeOf(history[i]);
    if (!time.has_value() || *time > limit) {
      history[i]["created"] = FormatTimestamp(limit);
    }
  }
}

Json NormalHistory(const Json& history) {
  Json normal = Json::array();
  for (const Json& entry : history) {
    normal.push_back(NormalEntry(entry));
  }
  return normal.empty() ? Json() : normal;
}

Json Sorted(Json object) {
  std::map<std::string, Json> entries;
  for (auto entry = object.begin(); entry != object.end(); ++entry) {
    entries[entry.key()] = std::move(entry.value());
  }
  Json sorted = Json::object();
  for (auto& [key, value] : entries) {
    sorted[key] = std::move(value);
  }
  return sorted;
}

std::string Dump(const Json& json) {
  return GoJson(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

std::string FormatTimestamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

StatusOr<std::string> MakeImageConfig(const ImageConfigRequest& request) {
  Json config =
      request.config.empty() ? DefaultConfig() : Json::parse(request.config, nullptr, false);
  if (!config.is_object()) {
    return absl::InvalidArgumentError("invalid image config for export");
  }
  for (const char* key : {"os", "architecture"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_string() ||
        found->get_ref<const std::string&>().empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("invalid image config for export: missing ", key));
    }
  }
  Json diff_ids = Json::array();
  for (const ConfigLayer& layer : request.layers) {
    diff_ids.push_back(layer.diff_id.ToString());
  }
  if (diff_ids.empty()) {
    diff_ids = nullptr;  // here and below: what Go makes of a list that nobody added to
  }
  config["rootfs"] = Json{{"type", "layers"}, {"diff_ids", std::move(diff_ids)}};

  Json history = config.value("history", Json::array());
  if (!history.is_array()) {
    history = Json::array();
  }
  for (const Json& entry : history) {
    if (!entry.is_object()) {
      return absl::InvalidArgumentError("invalid image config for export: bad history");
    }
  }
  MatchLayers(request.layers, history);
  FillTimes(history);
  if (request.epoch.has_value()) {
    const absl::Time limit = absl::FromUnixSeconds(*request.epoch);
    const Json base = Json::parse(request.base_config, nullptr, false);
    ClampHistory(limit, base.is_object() ? base.value("history", Json()) : Json(), history);
    const std::optional<absl::Time> created = TimeOf(config);
    if (created.has_value() && *created > limit) {
      config["created"] = FormatTimestamp(limit);
    }
  }
  if (!TimeOf(config).has_value()) {
    config["created"] = nullptr;
    for (const Json& entry : history) {
      if (TimeOf(entry).has_value()) {
        config["created"] = entry["created"];
      }
    }
  }
  config["history"] = NormalHistory(history);
  config.erase(remote::kInlineCacheKey);
  if (!request.inline_cache.empty()) {
    config[remote::kInlineCacheKey] = absl::Base64Escape(request.inline_cache);
  }
  return Dump(Sorted(std::move(config)));
}

std::string MakeAttestationConfig(const std::vector<Digest>& layers) {
  Json diff_ids = Json::array();
  for (const Digest& layer : layers) {
    diff_ids.push_back(layer.ToString());
  }
  return Dump(Json{{"architecture", "unknown"},
                   {"os", "unknown"},
                   {"config", Json::object()},
                   {"rootfs", Json{{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}}});
}

}  // namespace cairn::exporter

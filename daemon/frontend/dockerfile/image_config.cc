#include "daemon/frontend/dockerfile/image_config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace cairn::dockerfile {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// Reads members of an object that may be absent or null. The json library throws for other types;
// Parse() catches.
template <typename T>
void Read(const Json& object, const char* key, T& value) {
  if (const auto found = object.find(key); found != object.end() && !found->is_null()) {
    value = found->get<T>();
  }
}

void ReadList(const Json& object, const char* key, std::optional<std::vector<std::string>>& value) {
  if (const auto found = object.find(key); found != object.end() && !found->is_null()) {
    value = found->get<std::vector<std::string>>();
  }
}

// Go writes a set as an object with empty members.
void ReadKeys(const Json& object, const char* key, std::set<std::string>& value) {
  if (const auto found = object.find(key); found != object.end() && found->is_object()) {
    for (const auto& member : found->items()) {
      value.insert(member.key());
    }
  }
}

void ReadDuration(const Json& object, const char* key, absl::Duration& value) {
  int64_t nanoseconds = 0;
  Read(object, key, nanoseconds);
  value = absl::Nanoseconds(nanoseconds);
}

HealthcheckConfig ReadHealthcheck(const Json& object) {
  HealthcheckConfig check;
  Read(object, "Test", check.test);
  ReadDuration(object, "Interval", check.interval);
  ReadDuration(object, "Timeout", check.timeout);
  ReadDuration(object, "StartPeriod", check.start_period);
  ReadDuration(object, "StartInterval", check.start_interval);
  Read(object, "Retries", check.retries);
  return check;
}

HistoryEntry ReadHistory(const Json& object) {
  HistoryEntry entry;
  std::string created;
  Read(object, "created", created);
  absl::Time time;
  std::string error;
  if (!created.empty() && absl::ParseTime(absl::RFC3339_full, created, &time, &error)) {
    entry.created = time;
  }
  Read(object, "created_by", entry.created_by);
  Read(object, "author", entry.author);
  Read(object, "comment", entry.comment);
  Read(object, "empty_layer", entry.empty_layer);
  return entry;
}

void ReadRunConfig(const Json& object, ImageConfig& image) {
  Read(object, "User", image.user);
  ReadKeys(object, "ExposedPorts", image.exposed_ports);
  Read(object, "Env", image.env);
  ReadList(object, "Entrypoint", image.entrypoint);
  ReadList(object, "Cmd", image.cmd);
  ReadKeys(object, "Volumes", image.volumes);
  Read(object, "WorkingDir", image.working_dir);
  Read(object, "Labels", image.labels);
  Read(object, "StopSignal", image.stop_signal);
  Read(object, "ArgsEscaped", image.args_escaped);
  if (const auto found = object.find("Healthcheck"); found != object.end() && found->is_object()) {
    image.healthcheck = ReadHealthcheck(*found);
  }
  Read(object, "OnBuild", image.on_build);
  Read(object, "Shell", image.shell);
}

ImageConfig ReadImage(const Json& object) {
  ImageConfig image;
  Read(object, "created", image.created);
  Read(object, "author", image.author);
  Read(object, "architecture", image.platform.architecture);
  Read(object, "os", image.platform.os);
  Read(object, "os.version", image.platform.os_version);
  Read(object, "os.features", image.platform.os_features);
  Read(object, "variant", image.platform.variant);
  if (const auto found = object.find("rootfs"); found != object.end() && found->is_object()) {
    Read(*found, "type", image.rootfs_type);
    Read(*found, "diff_ids", image.diff_ids);
  }
  if (const auto found = object.find("history"); found != object.end() && found->is_array()) {
    for (const Json& entry : *found) {
      image.history.push_back(ReadHistory(entry));
    }
  }
  if (const auto found = object.find("config"); found != object.end() && found->is_object()) {
    ReadRunConfig(*found, image);
  }
  return image;
}

// Time in RFC 3339 with as many digits as it needs, in UTC.
std::string ToRfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

template <typename T>
void WriteUnlessEmpty(OrderedJson& object, const char* key, const T& value) {
  if (!value.empty()) {
    object[key] = value;
  }
}

void WriteKeys(OrderedJson& object, const char* key, const std::set<std::string>& value) {
  for (const std::string& name : value) {
    object[key][name] = OrderedJson::object();
  }
}

void WriteDuration(OrderedJson& object, const char* key, absl::Duration value) {
  if (value != absl::ZeroDuration()) {
    object[key] = absl::ToInt64Nanoseconds(value);
  }
}

OrderedJson WriteHealthcheck(const HealthcheckConfig& check) {
  OrderedJson object = OrderedJson::object();
  WriteUnlessEmpty(object, "Test", check.test);
  WriteDuration(object, "Interval", check.interval);
  WriteDuration(object, "Timeout", check.timeout);
  WriteDuration(object, "StartPeriod", check.start_period);
  WriteDuration(object, "StartInterval", check.start_interval);
  if (check.retries != 0) {
    object["Retries"] = check.retries;
  }
  return object;
}

OrderedJson WriteRunConfig(const ImageConfig& image) {
  OrderedJson object = OrderedJson::object();
  WriteUnlessEmpty(object, "User", image.user);
  WriteKeys(object, "ExposedPorts", image.exposed_ports);
  WriteUnlessEmpty(object, "Env", image.env);
  if (image.entrypoint.has_value()) {
    WriteUnlessEmpty(object, "Entrypoint", *image.entrypoint);
  }
  if (image.cmd.has_value()) {
    WriteUnlessEmpty(object, "Cmd", *image.cmd);
  }
  WriteKeys(object, "Volumes", image.volumes);
  WriteUnlessEmpty(object, "WorkingDir", image.working_dir);
  WriteUnlessEmpty(object, "Labels", image.labels);
  WriteUnlessEmpty(object, "StopSignal", image.stop_signal);
  if (image.args_escaped) {
    object["ArgsEscaped"] = true;
  }
  if (image.healthcheck.has_value()) {
    object["Healthcheck"] = WriteHealthcheck(*image.healthcheck);
  }
  WriteUnlessEmpty(object, "OnBuild", image.on_build);
  WriteUnlessEmpty(object, "Shell", image.shell);
  return object;
}

}  // namespace

StatusOr<ImageConfig> ImageConfig::Parse(string_view json) {
  const Json object = Json::parse(json.begin(), json.end(), nullptr, false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError("image config is not a JSON object");
  }
  try {
    return ReadImage(object);
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("image config: ", error.what()));
  }
}

ImageConfig ImageConfig::Empty(const Platform& platform) {
  ImageConfig image;
  image.platform = platform;
  image.working_dir = "/";
  if (platform.os != "windows") {
    image.env = {absl::StrCat("PATH=", kDefaultPath)};
  }
  return image;
}

std::string ImageConfig::ToJson() const {
  OrderedJson object = OrderedJson::object();
  WriteUnlessEmpty(object, "created", created);
  WriteUnlessEmpty(object, "author", author);
  object["architecture"] = platform.architecture;
  object["os"] = platform.os;
  WriteUnlessEmpty(object, "os.version", platform.os_version);
  WriteUnlessEmpty(object, "os.features", platform.os_features);
  WriteUnlessEmpty(object, "variant", platform.variant);
  object["rootfs"]["type"] = rootfs_type;
  object["rootfs"]["diff_ids"] = diff_ids.empty() ? OrderedJson() : OrderedJson(diff_ids);
  for (const HistoryEntry& entry : history) {
    OrderedJson line = OrderedJson::object();
    if (entry.created.has_value()) {
      line["created"] = ToRfc3339(*entry.created);
    }
    WriteUnlessEmpty(line, "created_by", entry.created_by);
    WriteUnlessEmpty(line, "author", entry.author);
    WriteUnlessEmpty(line, "comment", entry.comment);
    if (entry.empty_layer) {
      line["empty_layer"] = true;
    }
    object["history"].push_back(std::move(line));
  }
  object["config"] = WriteRunConfig(*this);
  // Names and values come from users; what is not UTF-8 is replaced, not refused.
  return object.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string GoDuration(absl::Duration duration) {
  const int64_t total = absl::ToInt64Nanoseconds(duration);
  if (total == 0) {
    return "0s";
  }
  if (total < 0) {
    return absl::StrCat("-", GoDuration(-duration));
  }
  const auto decimal = [](double value) {
    std::string text = absl::StrFormat("%.9f", value);
    text.erase(text.find_last_not_of('0') + 1);
    return std::string(absl::StripSuffix(text, "."));
  };
  if (total < 1'000) {
    return absl::StrCat(total, "ns");
  }
  if (total < 1'000'000) {
    return absl::StrCat(decimal(total / 1e3), "\xC2\xB5s");
  }
  if (total < 1'000'000'000) {
    return absl::StrCat(decimal(total / 1e6), "ms");
  }
  const int64_t minutes = total / 60'000'000'000;
  const std::string seconds = decimal((total % 60'000'000'000) / 1e9);
  std::string text;
  if (minutes >= 60) {
    absl::StrAppend(&text, minutes / 60, "h");
  }
  if (minutes > 0) {
    absl::StrAppend(&text, minutes % 60, "m");
  }
  return absl::StrCat(text, seconds, "s");
}

}  // namespace cairn::dockerfile

#include "cache/remote/document.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cairn::remote {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kOurs[] = "cairn";
constexpr int kVersion = 1;
// More than any build has; what is beyond is no cache but an attack.
constexpr size_t kMaxRecords = 100'000;

Json EncodeOutput(const DocumentOutput& output) {
  Json json = {{"base", output.base_input}, {"content", output.content.ToString()}};
  if (output.layers.has_value()) {
    json["layers"] = *output.layers;
  }
  return json;
}

Json EncodeRecord(const DocumentRecord& record, bool with_duration) {
  Json outputs = Json::array();
  for (const DocumentOutput& output : record.outputs) {
    outputs.push_back(EncodeOutput(output));
  }
  Json ours = {{"version", kVersion}, {"outputs", std::move(outputs)}};
  for (const DocumentSelection& selection : record.selections) {
    ours["selections"].push_back({{"content", selection.content.ToString()},
                                  {"selection", selection.selection.ToString()},
                                  {"result", selection.result.ToString()}});
  }
  const int64_t milliseconds = absl::ToInt64Milliseconds(record.duration);
  if (with_duration && milliseconds > 0) {
    ours["milliseconds"] = milliseconds;
  }
  return {{"digest", record.key.ToString()}, {kOurs, std::move(ours)}};
}

Json EncodeAll(const std::vector<DocumentRecord>& records, bool with_durations) {
  Json json = Json::array();
  for (const DocumentRecord& record : records) {
    json.push_back(EncodeRecord(record, with_durations));
  }
  return json;
}

// nullptr when `object` has no such member.
const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) {
    return nullptr;
  }
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::optional<Digest> DigestOf(const Json& object, const char* key) {
  const Json* const value = Find(object, key);
  if (value == nullptr || !value->is_string()) {
    return std::nullopt;
  }
  StatusOr<Digest> digest = Digest::Parse(value->get_ref<const std::string&>());
  return digest.ok() ? std::optional<Digest>(*digest) : std::nullopt;
}

std::optional<int64_t> NumberOf(const Json& object, const char* key) {
  const Json* const value = Find(object, key);
  return value == nullptr || !value->is_number_integer()
             ? std::nullopt
             : std::optional<int64_t>(value->get<int64_t>());
}

std::optional<DocumentOutput> DecodeOutput(const Json& json, size_t layers) {
  const std::optional<Digest> content = DigestOf(json, "content");
  const std::optional<int64_t> base = NumberOf(json, "base");
  if (!content || !base || *base < -1 || *base > 10'000) {
    return std::nullopt;
  }
  DocumentOutput output{.base_input = static_cast<int>(*base), .content = *content, .layers = {}};
  const Json* const indices = Find(json, "layers");
  if (indices == nullptr) {
    return output;
  }
  output.layers.emplace();
  for (const Json& index : *indices) {
    if (!index.is_number_unsigned() || index.get<uint64_t>() >= layers) {
      return std::nullopt;
    }
    output.layers->push_back(index.get<size_t>());
  }
  return output;
}

std::optional<DocumentRecord> DecodeRecord(const Json& json, size_t layers) {
  const std::optional<Digest> key = DigestOf(json, "digest");
  const Json* const ours = Find(json, kOurs);
  if (!key || ours == nullptr || NumberOf(*ours, "version") != kVersion) {
    return std::nullopt;
  }
  DocumentRecord record{.key = *key, .outputs = {}, .selections = {}, .duration = {}};
  const Json* const outputs = Find(*ours, "outputs");
  for (const Json& item : outputs == nullptr ? Json::array() : *outputs) {
    std::optional<DocumentOutput> output = DecodeOutput(item, layers);
    if (!output) {
      return std::nullopt;
    }
    record.outputs.push_back(*std::move(output));
  }
  const Json* const selections = Find(*ours, "selections");
  for (const Json& item : selections == nullptr ? Json::array() : *selections) {
    const std::optional<Digest> content = DigestOf(item, "content");
    const std::optional<Digest> selection = DigestOf(item, "selection");
    const std::optional<Digest> result = DigestOf(item, "result");
    if (content && selection && result) {
      record.selections.push_back({*content, *selection, *result});
    }
  }
  record.duration = absl::Milliseconds(NumberOf(*ours, "milliseconds").value_or(0));
  return record.outputs.empty() ? std::nullopt : std::optional(std::move(record));
}

StatusOr<std::vector<DocumentRecord>> DecodeAll(const Json& json, size_t layers) {
  std::vector<DocumentRecord> records;
  if (json.is_null()) {
    return records;
  }
  if (!json.is_array() || json.size() > kMaxRecords) {
    return absl::InvalidArgumentError("cache config: records are no list, or too many");
  }
  for (const Json& item : json) {
    std::optional<DocumentRecord> record = DecodeRecord(item, layers);
    if (record) {
      records.push_back(*std::move(record));
    }
  }
  return records;
}

DocumentLayer LayerOf(const registry::Descriptor& blob) {
  DocumentLayer layer{.blob = blob, .diff_id = {}};
  const auto diff_id = blob.annotations.find(kDiffIdAnnotation);
  if (diff_id != blob.annotations.end()) {
    const StatusOr<Digest> digest = Digest::Parse(diff_id->second);
    layer.diff_id = digest.ok() ? std::optional<Digest>(*digest) : std::nullopt;
  }
  const auto created = blob.annotations.find(kCreatedAnnotation);
  absl::Time time;
  if (created != blob.annotations.end() &&
      absl::ParseTime(absl::RFC3339_full, created->second, &time, nullptr)) {
    layer.created = time;
  }
  return layer;
}

}  // namespace

std::string EncodeConfig(const CacheDocument& document) {
  Json layers = Json::array();
  for (const DocumentLayer& layer : document.layers) {
    layers.push_back({{"blob", layer.blob.digest.ToString()}, {"parent", -1}});
  }
  const Json config = {{"layers", std::move(layers)},
                       {"records", EncodeAll(document.records, /*with_durations=*/true)}};
  return config.dump();
}

std::string EncodeRecords(const std::vector<DocumentRecord>& records) {
  return EncodeAll(records, /*with_durations=*/false).dump();
}

StatusOr<CacheDocument> DecodeConfig(string_view text,
                                     const std::vector<registry::Descriptor>& blobs) {
  const Json config = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!config.is_object()) {
    return absl::InvalidArgumentError("cache config: not a JSON object");
  }
  std::map<Digest, const registry::Descriptor*> by_digest;
  for (const registry::Descriptor& blob : blobs) {
    by_digest.emplace(blob.digest, &blob);
  }
  CacheDocument document;
  const Json* const layers = Find(config, "layers");
  for (const Json& item : layers == nullptr ? Json::array() : *layers) {
    const std::optional<Digest> digest = DigestOf(item, "blob");
    const auto blob = digest ? by_digest.find(*digest) : by_digest.end();
    if (blob == by_digest.end()) {
      return absl::InvalidArgumentError("cache config: a layer is not in the manifest");
    }
    document.layers.push_back(LayerOf(*blob->second));
  }
  const Json* const records = Find(config, "records");
  ASSIGN_OR_RETURN(document.records,
                   DecodeAll(records == nullptr ? Json() : *records, document.layers.size()));
  return document;
}

StatusOr<CacheDocument> DecodeRecords(string_view text, std::vector<DocumentLayer> layers) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  CacheDocument document{.layers = std::move(layers), .records = {}};
  ASSIGN_OR_RETURN(document.records, DecodeAll(json, document.layers.size()));
  return document;
}

}  // namespace cairn::remote

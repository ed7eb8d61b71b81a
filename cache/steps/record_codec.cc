#include "cache/steps/record_codec.h"

#include "absl/strings/str_cat.h"
#include "cache/blob/encoding.h"

namespace cairn::steps {
namespace {

constexpr uint8_t kEviction = 0;
constexpr uint8_t kVersion = 2;
constexpr uint8_t kVersionWithoutUrls = 1;

void EncodeLayer(const layer::Layer& layer, blob::Encoder& encoder) {
  encoder.Raw(layer.delta.digest).Raw(layer.delta.content);
  encoder.Varint(layer.delta.bytes).Varint(layer.delta.entries);
  encoder.Varint(layer.delta.encoded_size).Varint(layer.delta.traits);
  encoder.Byte(layer.original.has_value() ? 1 : 0);
  if (layer.original.has_value()) {
    encoder.String(layer.original->media_type).Raw(layer.original->digest);
    encoder.Varint(layer.original->size).Raw(layer.original->diff_id);
    encoder.String(layer.original->origin);
    encoder.Varint(layer.original->urls.size());
    for (const std::string& url : layer.original->urls) {
      encoder.String(url);
    }
  }
}

layer::Layer DecodeLayer(blob::Decoder& decoder, bool has_urls) {
  const Digest digest = decoder.Raw();
  const Digest content = decoder.Raw();
  const uint64_t bytes = decoder.Varint();
  const uint64_t entries = decoder.Varint();
  const uint64_t encoded_size = decoder.Varint();
  const auto traits = static_cast<uint32_t>(decoder.Varint());
  layer::Layer layer = {.delta = {.digest = digest,
                                  .content = content,
                                  .bytes = bytes,
                                  .entries = entries,
                                  .encoded_size = encoded_size,
                                  .traits = traits},
                        .original = std::nullopt};
  if (decoder.Byte() != 0) {
    std::string media_type = decoder.String();
    const Digest blob = decoder.Raw();
    const uint64_t size = decoder.Varint();
    const Digest diff_id = decoder.Raw();
    layer.original = layer::OriginalBlob{.media_type = std::move(media_type),
                                         .digest = blob,
                                         .size = size,
                                         .diff_id = diff_id,
                                         .origin = decoder.String()};
    const uint64_t urls = has_urls ? decoder.Count() : 0;
    for (uint64_t i = 0; i < urls && decoder.ok(); ++i) {
      layer.original->urls.push_back(decoder.String());
    }
  }
  return layer;
}

StepOutput DecodeOutput(blob::Decoder& decoder, bool has_urls) {
  const int base_input = static_cast<int>(decoder.Signed());
  const Digest content = decoder.Raw();
  StepOutput output = {.base_input = base_input, .layers = {}, .content = content};
  const uint64_t layers = decoder.Count();
  for (uint64_t i = 0; i < layers && decoder.ok(); ++i) {
    output.layers.push_back(DecodeLayer(decoder, has_urls));
  }
  return output;
}

}  // namespace

std::string EncodeRecord(const StepRecord& record) {
  blob::Encoder encoder;
  encoder.Byte(kVersion).Varint(record.outputs.size());
  for (const StepOutput& output : record.outputs) {
    encoder.Signed(output.base_input).Raw(output.content).Varint(output.layers.size());
    for (const layer::Layer& layer : output.layers) {
      EncodeLayer(layer, encoder);
    }
  }
  encoder.String(record.description).Time(record.created);
  encoder.Signed(absl::ToInt64Nanoseconds(record.duration));
  return encoder.bytes();
}

StatusOr<StepRecord> DecodeRecord(string_view bytes) {
  blob::Decoder decoder(bytes);
  const uint8_t version = decoder.Byte();
  if (decoder.ok() && version != kVersion && version != kVersionWithoutUrls) {
    return absl::FailedPreconditionError(
        absl::StrCat("step record of version ", version, ", this release knows ", kVersion));
  }
  StepRecord record;
  const uint64_t outputs = decoder.Count();
  for (uint64_t i = 0; i < outputs && decoder.ok(); ++i) {
    record.outputs.push_back(DecodeOutput(decoder, version != kVersionWithoutUrls));
  }
  record.description = decoder.String();
  record.created = decoder.Time();
  record.duration = absl::Nanoseconds(decoder.Signed());
  RETURN_IF_ERROR(decoder.Finish("step record"));
  return record;
}

std::string EncodeEviction(absl::Time time) {
  return blob::Encoder().Byte(kEviction).Time(time).bytes();
}

std::optional<absl::Time> DecodeEviction(string_view bytes) {
  blob::Decoder decoder(bytes);
  const uint8_t version = decoder.Byte();
  const absl::Time time = decoder.Time();
  if (version != kEviction || !decoder.Finish("eviction").ok()) {
    return std::nullopt;
  }
  return time;
}

}  // namespace cairn::steps

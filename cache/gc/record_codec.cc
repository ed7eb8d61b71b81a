#include "cache/gc/record_codec.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cache/blob/encoding.h"

namespace cairn::gc {
namespace {

constexpr uint8_t kRecordVersion = 1;
constexpr size_t kIdCharacters = 25;

template <typename T, typename Put>
void EncodeList(const std::vector<T>& list, blob::Encoder& encoder, const Put& put) {
  encoder.Varint(list.size());
  for (const T& element : list) {
    put(element);
  }
}

void EncodeStrings(const std::vector<std::string>& list, blob::Encoder& encoder) {
  EncodeList(list, encoder, [&](const std::string& text) { encoder.String(text); });
}

void EncodeDigests(const std::vector<Digest>& list, blob::Encoder& encoder) {
  EncodeList(list, encoder, [&](const Digest& digest) { encoder.Raw(digest); });
}

std::vector<std::string> DecodeStrings(blob::Decoder& decoder) {
  std::vector<std::string> list;
  const uint64_t count = decoder.Count();
  for (uint64_t i = 0; i < count && decoder.ok(); ++i) {
    list.push_back(decoder.String());
  }
  return list;
}

std::vector<Digest> DecodeDigests(blob::Decoder& decoder) {
  std::vector<Digest> list;
  const uint64_t count = decoder.Count();
  for (uint64_t i = 0; i < count && decoder.ok(); ++i) {
    list.push_back(decoder.Raw());
  }
  return list;
}

}  // namespace

std::string EncodeStoredRecord(const StoredRecord& record) {
  blob::Encoder encoder;
  encoder.Byte(kRecordVersion).Varint(record.number).Varint(record.size).Time(record.created);
  encoder.String(record.draft.identity).Byte(static_cast<uint8_t>(record.draft.type));
  encoder.String(record.draft.description).Byte(record.draft.is_mutable ? 1 : 0);
  EncodeDigests(record.draft.trees, encoder);
  EncodeDigests(record.draft.blobs, encoder);
  EncodeStrings(record.draft.directories, encoder);
  EncodeStrings(record.draft.parents, encoder);
  return encoder.bytes();
}

StatusOr<StoredRecord> DecodeStoredRecord(string_view bytes) {
  blob::Decoder decoder(bytes);
  const uint8_t version = decoder.Byte();
  if (decoder.ok() && version != kRecordVersion) {
    return absl::FailedPreconditionError(absl::StrCat("ledger record of version ", version,
                                                      ", this release knows ", kRecordVersion));
  }
  StoredRecord record;
  record.number = decoder.Varint();
  record.size = decoder.Varint();
  record.created = decoder.Time();
  record.draft.identity = decoder.String();
  record.draft.type =
      static_cast<RecordType>(std::min(decoder.Byte(), static_cast<uint8_t>(RecordType::kRegular)));
  record.draft.description = decoder.String();
  record.draft.is_mutable = decoder.Byte() != 0;
  record.draft.trees = DecodeDigests(decoder);
  record.draft.blobs = DecodeDigests(decoder);
  record.draft.directories = DecodeStrings(decoder);
  record.draft.parents = DecodeStrings(decoder);
  RETURN_IF_ERROR(decoder.Finish("ledger record"));
  return record;
}

std::string EncodeUsage(const Usage& usage) {
  blob::Encoder encoder;
  encoder.Byte(kRecordVersion).Byte(usage.last_used.has_value() ? 1 : 0);
  encoder.Time(usage.last_used.value_or(absl::UnixEpoch()));
  return encoder.Signed(usage.count).Varint(usage.order).bytes();
}

StatusOr<Usage> DecodeUsage(string_view bytes) {
  blob::Decoder decoder(bytes);
  Usage usage;
  const uint8_t version = decoder.Byte();
  const bool used = decoder.Byte() != 0;
  const absl::Time last_used = decoder.Time();
  if (used) {
    usage.last_used = last_used;
  }
  usage.count = decoder.Signed();
  usage.order = decoder.Varint();
  RETURN_IF_ERROR(decoder.Finish("ledger usage"));
  if (version != kRecordVersion) {
    return absl::FailedPreconditionError(absl::StrCat("ledger usage of version ", version));
  }
  return usage;
}

std::string EncodeNumber(RecordNumber number) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(number >> (56 - 8 * i));
  }
  return bytes;
}

StatusOr<RecordNumber> DecodeNumber(string_view bytes) {
  if (bytes.size() != 8) {
    return absl::DataLossError(absl::StrCat("record number of ", bytes.size(), " bytes"));
  }
  RecordNumber number = 0;
  for (const char byte : bytes) {
    number = number << 8 | static_cast<unsigned char>(byte);
  }
  return number;
}

std::string IdentityKey(string_view identity) { return absl::StrCat("i", identity); }
std::string RecordKey(RecordNumber number) { return absl::StrCat("n", EncodeNumber(number)); }
std::string UsageKey(RecordNumber number) { return absl::StrCat("u", EncodeNumber(number)); }
std::string MeasureKey(RecordNumber number) { return absl::StrCat("m", EncodeNumber(number)); }

std::string RecordId(const StoredRecord& record) {
  const Digest digest =
      Digest::Of(absl::StrCat(EncodeNumber(record.number), record.draft.identity));
  unsigned __int128 value = 0;
  for (size_t i = 0; i < 16; ++i) {
    value = value << 8 | digest.bytes()[i];
  }
  std::string id(kIdCharacters, '0');
  for (size_t i = kIdCharacters; i > 0; --i, value /= 36) {
    id[i - 1] = "0123456789abcdefghijklmnopqrstuvwxyz"[static_cast<size_t>(value % 36)];
  }
  return id;
}

}  // namespace cairn::gc

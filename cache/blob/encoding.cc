#include "cache/blob/encoding.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cairn::blob {

Encoder& Encoder::Byte(uint8_t value) {
  bytes_.push_back(static_cast<char>(value));
  return *this;
}

Encoder& Encoder::Varint(uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  return Byte(static_cast<uint8_t>(value));
}

Encoder& Encoder::Signed(int64_t value) {
  return Varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

Encoder& Encoder::String(string_view value) {
  Varint(value.size());
  bytes_.append(value.data(), value.size());
  return *this;
}

Encoder& Encoder::Raw(const Digest& digest) {
  const string_view raw = digest.raw();
  bytes_.append(raw.data(), raw.size());
  return *this;
}

Encoder& Encoder::Time(absl::Time value) {
  return Signed(absl::ToInt64Nanoseconds(value - absl::UnixEpoch()));
}

void Decoder::Fail() {
  ok_ = false;
  rest_ = string_view();
}

uint8_t Decoder::Byte() {
  if (rest_.empty()) {
    Fail();
    return 0;
  }
  const uint8_t value = static_cast<uint8_t>(rest_[0]);
  rest_.remove_prefix(1);
  return value;
}

uint64_t Decoder::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = Byte();
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      return ok_ ? value : 0;
    }
  }
  Fail();
  return 0;
}

int64_t Decoder::Signed() {
  const uint64_t value = Varint();
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

std::string Decoder::String() {
  const uint64_t size = Varint();
  if (size > rest_.size()) {
    Fail();
    return std::string();
  }
  std::string value(rest_.data(), size);
  rest_.remove_prefix(size);
  return value;
}

Digest Decoder::Raw() {
  Digest::Bytes bytes = {};
  if (rest_.size() < bytes.size()) {
    Fail();
    return Digest(bytes);
  }
  std::copy_n(reinterpret_cast<const uint8_t*>(rest_.data()), bytes.size(), bytes.begin());
  rest_.remove_prefix(bytes.size());
  return Digest(bytes);
}

absl::Time Decoder::Time() { return absl::UnixEpoch() + absl::Nanoseconds(Signed()); }

uint64_t Decoder::Count() {
  const uint64_t count = Varint();
  if (count > rest_.size()) {
    Fail();
    return 0;
  }
  return count;
}

Status Decoder::Finish(string_view what) const {
  if (!ok_) {
    return absl::DataLossError(absl::StrCat(what, " is truncated or malformed"));
  }
  if (!rest_.empty()) {
    return absl::DataLossError(absl::StrCat(what, " has ", rest_.size(), " bytes too many"));
  }
  return absl::OkStatus();
}

}  // namespace cairn::blob

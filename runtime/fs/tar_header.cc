#include "runtime/fs/tar_header.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace cairn::fs {
namespace {

// Sums with the checksum field taken as spaces.
void Sum(const char* bytes, int64_t& as_unsigned, int64_t& as_signed) {
  as_unsigned = as_signed = 0;
  for (size_t i = 0; i < kTarBlock; ++i) {
    const bool in_field = i >= tar_field::kChecksum.offset &&
                          i < tar_field::kChecksum.offset + tar_field::kChecksum.size;
    const char byte = in_field ? ' ' : bytes[i];
    as_unsigned += static_cast<unsigned char>(byte);
    as_signed += static_cast<signed char>(byte);
  }
}

StatusOr<int64_t> ParseBase256(string_view raw) {
  const bool negative = (static_cast<unsigned char>(raw[0]) & 0x40) != 0;
  const unsigned char fill = negative ? 0xff : 0x00;
  uint64_t value = negative ? ~uint64_t{0} : 0;
  for (size_t i = 0; i < raw.size(); ++i) {
    unsigned char byte = static_cast<unsigned char>(raw[i]);
    if (i == 0) {
      byte = static_cast<unsigned char>((byte & 0x7f) | (negative ? 0x80 : 0));
    }
    const bool beyond = i + sizeof value < raw.size();
    if (beyond && byte != fill) {
      return absl::InvalidArgumentError("a number beyond 64 bits");
    }
    value = value << 8 | byte;
  }
  const int64_t result = static_cast<int64_t>(value);
  if ((result < 0) != negative) {
    return absl::InvalidArgumentError("a number beyond 64 bits");
  }
  return result;
}

}  // namespace

StatusOr<int64_t> ParseTarNumber(string_view raw) {
  if (!raw.empty() && (static_cast<unsigned char>(raw[0]) & 0x80) != 0) {
    return ParseBase256(raw);
  }
  // Padding: leading spaces and NULs, trailing spaces and NULs.
  while (!raw.empty() && (raw.front() == ' ' || raw.front() == '\0')) {
    raw.remove_prefix(1);
  }
  raw = raw.substr(0, raw.find('\0'));
  while (!raw.empty() && raw.back() == ' ') {
    raw.remove_suffix(1);
  }
  int64_t value = 0;
  for (const char digit : raw) {
    if (digit < '0' || digit > '7' || value > (INT64_MAX >> 3)) {
      return absl::InvalidArgumentError("a bad octal number");
    }
    value = value << 3 | (digit - '0');
  }
  return value;
}

string_view TarHeader::text(TarField field) const {
  const string_view whole = raw(field);
  return whole.substr(0, whole.find('\0'));
}

StatusOr<int64_t> TarHeader::number(TarField field) const { return ParseTarNumber(raw(field)); }

bool TarHeader::IsZero() const {
  return std::all_of(bytes_, bytes_ + kTarBlock, [](char byte) { return byte == 0; });
}

bool TarHeader::ChecksumMatches() const {
  const StatusOr<int64_t> stored = number(tar_field::kChecksum);
  int64_t as_unsigned = 0;
  int64_t as_signed = 0;
  Sum(bytes_, as_unsigned, as_signed);
  return stored.ok() && (*stored == as_unsigned || *stored == as_signed);
}

void TarHeader::SetText(TarField field, string_view text) {
  std::memcpy(bytes_ + field.offset, text.data(), std::min(text.size(), field.size));
}

bool TarHeader::SetNumber(TarField field, int64_t value) {
  const int digits = static_cast<int>(field.size) - 1;
  const bool fits = value >= 0 && value < int64_t{1} << (3 * digits);
  SetText(field, absl::StrFormat("%0*o", digits, fits ? value : 0));
  return fits;
}

void TarHeader::SetChecksum() {
  int64_t as_unsigned = 0;
  int64_t as_signed = 0;
  Sum(bytes_, as_unsigned, as_signed);
  const std::string text = absl::StrFormat("%06o", as_unsigned);
  std::memcpy(bytes_ + tar_field::kChecksum.offset, text.data(), 6);
  bytes_[tar_field::kChecksum.offset + 6] = '\0';
  bytes_[tar_field::kChecksum.offset + 7] = ' ';
}

}  // namespace cairn::fs

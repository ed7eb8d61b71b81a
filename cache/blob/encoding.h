// The primitives of the store's own record formats: bytes, LEB128 varints, length-prefixed strings.
//
// Every record starts with a version byte of its own; the file that owns a format writes it with an
// Encoder and reads it with a Decoder. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::blob {

class Encoder {
 public:
  Encoder& Byte(uint8_t value);
  Encoder& Varint(uint64_t value);
  Encoder& Signed(int64_t value);  // zigzag varint
  Encoder& String(string_view value);
  Encoder& Raw(const Digest& digest);
  // Nanoseconds since the Unix epoch; times beyond what int64 holds are clamped.
  Encoder& Time(absl::Time value);

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Reads what an Encoder wrote. After the first failure every read returns a zero value; callers
// read everything and then look at Finish().
class Decoder {
 public:
  // `bytes` outlives the decoder.
  explicit Decoder(string_view bytes) : rest_(bytes) {}

  uint8_t Byte();
  uint64_t Varint();
  int64_t Signed();
  std::string String();
  Digest Raw();
  absl::Time Time();
  // A number of elements that follow, each at least one byte: never more than the bytes left.
  uint64_t Count();

  bool ok() const { return ok_; }
  // kDataLoss naming `what` unless all was read, nothing is left and nothing failed.
  Status Finish(string_view what) const;

 private:
  void Fail();

  string_view rest_;
  bool ok_ = true;
};

}  // namespace cairn::blob

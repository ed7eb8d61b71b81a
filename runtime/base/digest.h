// Digests of content: sha256, computed here from the bytes, never taken on trust.
//
// A Digest is a 32-byte value, cheap to copy and compare. Its text form is "sha256:<64 hex>" (OCI
// image-spec, descriptor digests). There is no empty digest: absent is std::optional.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace cairn {

class Digest {
 public:
  static constexpr size_t kSize = 32;
  using Bytes = std::array<uint8_t, kSize>;

  explicit Digest(const Bytes& bytes) : bytes_(bytes) {}

  // The digest of `data`.
  static Digest Of(string_view data);

  // Parses "sha256:<64 lower-case hex>". Any other algorithm or form is kInvalidArgument.
  static StatusOr<Digest> Parse(string_view text);
  // Parses 64 lower-case hex digits.
  static StatusOr<Digest> FromHex(string_view hex);
  // Takes 32 raw bytes, the form used in database keys.
  static StatusOr<Digest> FromRaw(string_view raw);

  std::string ToString() const;  // "sha256:<hex>"
  std::string hex() const;       // 64 digits
  string_view raw() const;       // 32 bytes, valid as long as *this
  const Bytes& bytes() const { return bytes_; }

  friend auto operator<=>(const Digest&, const Digest&) = default;
  friend bool operator==(const Digest&, const Digest&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Digest& digest) {
    return H::combine(std::move(h), digest.bytes_);
  }

 private:
  Bytes bytes_;
};

// Computes a Digest over data that comes in pieces. Not thread-safe.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void Update(string_view data);

  // Returns the digest of everything so far and starts anew.
  Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace cairn

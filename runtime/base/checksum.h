// Checksums for others to compare with theirs, by any of the usual algorithms. What is stored here
// is known by its Digest alone (digest.h).
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace cairn {

// Computes one checksum over data that comes in pieces. Not thread-safe.
class Checksum {
 public:
  // `algorithm` is "sha256", "sha384" or "sha512"; any other is kInvalidArgument "unsupported
  // checksum algorithm".
  static StatusOr<Checksum> Create(string_view algorithm);

  ~Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;

  void Update(string_view data);

  // "sha512:<hex>" of everything so far. Call once.
  std::string Finish();

 private:
  struct Context;
  explicit Checksum(std::unique_ptr<Context> context);
  std::unique_ptr<Context> context_;
};

}  // namespace cairn

// An image platform: os/architecture[/variant] (OCI image-spec, image index), normalised.
//
// Normal form is containerd's: lower case, x86_64 -> amd64, aarch64 -> arm64, arm64/v8 -> arm64,
// armhf -> arm/v7, arm -> arm/v7.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace cairn {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;
  std::string os_version;
  std::vector<std::string> os_features;

  // Parses "linux/amd64", "linux/arm/v7", "amd64" (os of the host), "linux" (architecture of the
  // host). The result is normalised. Unknown or empty parts are kInvalidArgument.
  static StatusOr<Platform> Parse(string_view text);

  // The platform this program runs on.
  static Platform Host();

  // All platforms whose programs this machine runs itself, Host() first: on amd64 also the
  // levels of the processor (v2 to v4), and 386 where the kernel runs its programs.
  static std::vector<Platform> Native();

  Platform Normalized() const;

  // "linux/arm/v7"; os_version is added in parentheses after the os when set, as containerd does.
  std::string ToString() const;

  // Whether an image of platform `image` runs where this platform is asked for: os and architecture
  // equal, and the variant equal or, for arm, lower; amd64 variants likewise. For Windows the
  // os_versions, where both are given, must be of one build, or of builds that share a kernel ABI
  // (Microsoft's rule: from the LTSC release before the host's up to the host's).
  bool Accepts(const Platform& image) const;

  friend bool operator==(const Platform&, const Platform&) = default;
};

}  // namespace cairn

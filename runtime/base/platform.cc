#include "runtime/base/platform.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn {
namespace {

bool IsKnownOs(string_view os) {
  for (string_view known :
       {"aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux",
        "nacl", "netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows", "zos"}) {
    if (os == known) {
      return true;
    }
  }
  return false;
}

bool IsKnownArchitecture(string_view architecture) {
  for (string_view known : {"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le",
                            "mipsle", "ppc64", "ppc64le", "riscv64", "s390x", "sparc64", "wasm"}) {
    if (architecture == known) {
      return true;
    }
  }
  return false;
}

bool IsPlatformWord(string_view word) {
  for (const char c : word) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '.') {
      return false;
    }
  }
  return !word.empty();
}

// The number of a variant such as "v7"; -1 when it has none.
int VariantLevel(string_view variant) {
  int level = -1;
  if (absl::StartsWith(variant, "v") && absl::SimpleAtoi(variant.substr(1), &level)) {
    return level;
  }
  return -1;
}

// "10.0.20348.169": what counts of a Windows version.
struct WindowsVersion {
  int major = 0;
  int minor = 0;
  int build = 0;
};

std::optional<WindowsVersion> ParseWindowsVersion(string_view text) {
  const std::vector<string_view> parts = absl::StrSplit(text, '.');
  WindowsVersion version;
  if (parts.size() < 3 || !absl::SimpleAtoi(parts[0], &version.major) ||
      !absl::SimpleAtoi(parts[1], &version.minor) || !absl::SimpleAtoi(parts[2], &version.build)) {
    return std::nullopt;
  }
  return version;
}

// Whether a container of version `image` runs on a Windows of version `host`. What is no version
// says nothing.
bool WindowsRuns(string_view host_text, string_view image_text) {
  constexpr int kLtsc2022 = 20348;  // the first release with a stable ABI for containers
  constexpr int kLtsc2025 = 26100;
  const auto host = ParseWindowsVersion(host_text);
  if (!host.has_value() || image_text.empty()) {
    return true;
  }
  const auto image = ParseWindowsVersion(image_text);
  if (!image.has_value() || host->major != image->major || host->minor != image->minor) {
    return false;
  }
  if (host->build < kLtsc2022) {
    return host->build == image->build;
  }
  const int oldest = host->build > kLtsc2025 ? kLtsc2025 : kLtsc2022;
  return oldest <= image->build && image->build <= host->build;
}

}  // namespace

Platform Platform::Host() {
  utsname name;
  ::uname(&name);
  return Platform{.os = "linux", .architecture = name.machine}.Normalized();
}

std::vector<Platform> Platform::Native() {
  const Platform host = Host();
  std::vector<Platform> native = {host};
#if defined(__x86_64__)
  // The levels of the x86-64 psABI, by the features that set them apart.
  const bool v2 = __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.2") &&
                  __builtin_cpu_supports("popcnt");
  const bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
                  __builtin_cpu_supports("fma");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  for (const auto& [supported, level] : {std::pair(v2, "v2"), {v3, "v3"}, {v4, "v4"}}) {
    if (supported) {
      native.push_back(host);
      native.back().variant = level;
    }
  }
  // There only with the kernel's emulation of 32-bit programs.
  if (::access("/proc/sys/abi/vsyscall32", F_OK) == 0) {
    native.push_back({.os = host.os, .architecture = "386"});
  }
#endif
  return native;
}

Platform Platform::Normalized() const {
  Platform out = *this;
  out.os = absl::AsciiStrToLower(os);
  if (out.os == "macos") {
    out.os = "darwin";
  }
  out.architecture = absl::AsciiStrToLower(architecture);
  out.variant = absl::AsciiStrToLower(variant);
  if (out.architecture == "x86_64" || out.architecture == "x86-64") {
    out.architecture = "amd64";
  } else if (out.architecture == "i386" || out.architecture == "i686") {
    out.architecture = "386";
    out.variant.clear();
  } else if (out.architecture == "aarch64") {
    out.architecture = "arm64";
  } else if (out.architecture == "armhf") {
    out.architecture = "arm";
    out.variant = "v7";
  } else if (out.architecture == "armel") {
    out.architecture = "arm";
    out.variant = "v6";
  }
  if (out.architecture == "amd64" && out.variant == "v1") {
    out.variant.clear();
  }
  if (out.architecture == "arm64" && (out.variant == "v8" || out.variant == "8")) {
    out.variant.clear();
  }
  if (out.architecture == "arm") {
    if (out.variant.empty() || out.variant == "7") {
      out.variant = "v7";
    } else if (out.variant.size() == 1) {
      out.variant = absl::StrCat("v", out.variant);
    }
  }
  return out;
}

StatusOr<Platform> Platform::Parse(string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  std::string os = parts[0];
  std::string os_version;
  if (const size_t open = os.find('('); open != std::string::npos && os.ends_with(")")) {
    os_version = os.substr(open + 1, os.size() - open - 2);
    os.resize(open);
  }
  const auto invalid = [](auto... pieces) {
    return absl::InvalidArgumentError(absl::StrCat(pieces..., ": invalid argument"));
  };
  if (!IsPlatformWord(os)) {
    return invalid("\"", parts[0], "\" is an invalid OS component of \"", text,
                   "\": OSAndVersion specifier component must match "
                   "\"^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.%-]*)"
                   "((?:\\\\+[A-Za-z0-9_.%-]+)*)\\\\))?$\"");
  }
  for (size_t i = 1; i < parts.size(); ++i) {
    if (!IsPlatformWord(parts[i])) {
      return invalid("\"", parts[i], "\" is an invalid component of \"", text,
                     "\": platform specifier component must match \"^[A-Za-z0-9_.-]+$\"");
    }
  }
  if (parts.size() > 3) {
    return invalid("\"", text, "\": cannot parse platform specifier");
  }
  const Platform host = Host();
  Platform platform{.os = os, .os_version = os_version};
  if (parts.size() == 1) {
    if (IsKnownOs(absl::AsciiStrToLower(os)) || absl::AsciiStrToLower(os) == "macos") {
      platform.architecture = host.architecture;
      platform.variant = host.variant;
    } else {
      platform.os = host.os;
      platform.architecture = os;
      if (!IsKnownArchitecture(platform.Normalized().architecture)) {
        return invalid("\"", text, "\": unknown operating system or architecture");
      }
    }
  } else {
    platform.architecture = parts[1];
    if (parts.size() == 3) {
      platform.variant = parts[2];
    }
  }
  return platform.Normalized();
}

std::string Platform::ToString() const {
  std::string out = os;
  if (!os_version.empty()) {
    absl::StrAppend(&out, "(", os_version, ")");
  }
  absl::StrAppend(&out, "/", architecture);
  if (!variant.empty()) {
    absl::StrAppend(&out, "/", variant);
  }
  return out;
}

bool Platform::Accepts(const Platform& image) const {
  const Platform want = Normalized();
  const Platform have = image.Normalized();
  if (want.os != have.os || want.architecture != have.architecture) {
    return false;
  }
  if (want.os == "windows" && !WindowsRuns(want.os_version, have.os_version)) {
    return false;
  }
  if (want.variant == have.variant) {
    return true;
  }
  const int want_level = VariantLevel(want.variant.empty() ? "v8" : want.variant);
  const int have_level = VariantLevel(have.variant.empty() ? "v1" : have.variant);
  return (want.architecture == "arm" || want.architecture == "amd64") && have_level <= want_level;
}

}  // namespace cairn

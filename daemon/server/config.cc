#include "daemon/server/config.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn::server {
namespace {

struct Unit {
  const char* suffix;
  double bytes;
};

// Longest suffix first, so that "MB" is not taken for "B".
constexpr Unit kUnits[] = {
    {"kib", 1024.0},
    {"mib", 1024.0 * 1024},
    {"gib", 1024.0 * 1024 * 1024},
    {"tib", 1024.0 * 1024 * 1024 * 1024},
    {"kb", 1e3},
    {"mb", 1e6},
    {"gb", 1e9},
    {"tb", 1e12},
    {"k", 1e3},
    {"m", 1e6},
    {"g", 1e9},
    {"t", 1e12},
    {"b", 1},
    {"", 1},
};

Status BadDiskSpace(const std::string& text) {
  return absl::InvalidArgumentError(
      absl::StrCat("disk space \"", text, "\": write bytes, \"10GB\" or \"80%\""));
}

}  // namespace

uint64_t DiskSpace::Resolve(uint64_t disk_bytes) const {
  return percent != 0 ? disk_bytes / 100 * static_cast<uint64_t>(percent) : bytes;
}

StatusOr<DiskSpace> ParseDiskSpace(const std::string& text) {
  const std::string lower = absl::AsciiStrToLower(absl::StripAsciiWhitespace(text));
  string_view number = lower;
  DiskSpace space;
  if (absl::ConsumeSuffix(&number, "%")) {
    if (!absl::SimpleAtoi(number, &space.percent) || space.percent < 1 || space.percent > 100) {
      return BadDiskSpace(text);
    }
    return space;
  }
  for (const Unit& unit : kUnits) {
    if (!absl::ConsumeSuffix(&number, unit.suffix)) {
      continue;
    }
    double value = 0;
    if (!absl::SimpleAtod(absl::StripAsciiWhitespace(number), &value) || value < 0 ||
        value * unit.bytes > 1e18) {
      return BadDiskSpace(text);
    }
    space.bytes = static_cast<uint64_t>(value * unit.bytes);
    return space;
  }
  return BadDiskSpace(text);
}

StatusOr<absl::Duration> ParseConfigDuration(const std::string& text) {
  int64_t seconds = 0;
  if (absl::SimpleAtoi(text, &seconds)) {
    return absl::Seconds(seconds);
  }
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration)) {
    return absl::InvalidArgumentError(
        absl::StrCat("duration \"", text, "\": write seconds or \"48h30m\""));
  }
  return duration;
}

}  // namespace cairn::server

#include "daemon/control/platform_check.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/exporter/result_platforms.h"
#include "runtime/base/platform.h"

namespace cairn::control {
namespace {

constexpr char kPlatformAttribute[] = "platform";

bool HasFiles(const exporter::SolvedResult& result) {
  return exporter::IsMap(result) || (result.single.has_value() && result.single->has_value());
}

// The platforms asked for, or what is wrong with the request.
std::set<std::string> Requested(const std::map<std::string, std::string>& attributes,
                                std::vector<std::string>& warnings) {
  const auto found = attributes.find(kPlatformAttribute);
  if (found == attributes.end()) {
    return {Platform::Host().ToString()};
  }
  std::set<std::string> requested;
  for (const string_view text : absl::StrSplit(found->second, ',')) {
    const auto platform = Platform::Parse(text);
    if (!platform.ok()) {
      warnings.push_back(absl::StrCat("Invalid platform result requested \"", text,
                                      "\": ", platform.status().message()));
    } else if (!requested.insert(platform->ToString()).second) {
      warnings.push_back(absl::StrCat("Duplicate platform result requested \"", text, "\""));
    }
  }
  return requested;
}

// A version of the system that was not asked for is no mismatch.
std::string WithoutVersion(Platform platform) {
  platform.os_version.clear();
  return platform.ToString();
}

}  // namespace

std::vector<std::string> CheckPlatforms(const std::map<std::string, std::string>& attributes,
                                        const exporter::SolvedResult& result) {
  std::vector<std::string> warnings;
  if (!HasFiles(result)) {
    return warnings;
  }
  const std::set<std::string> requested = Requested(attributes, warnings);
  if (!warnings.empty()) {
    return warnings;
  }
  if (!exporter::IsMap(result) && requested.size() > 1) {
    return {"Multiple platforms requested but result is not multi-platform"};
  }
  const auto platforms = exporter::PlatformsOf(result);
  if (!platforms.ok()) {
    return warnings;
  }
  std::set<std::string> made;
  for (const exporter::ResultPlatform& platform : *platforms) {
    made.insert(platform.platform.ToString());
  }
  if (made == requested) {
    return warnings;
  }
  if (made.size() == 1 && requested.size() == 1) {
    if (WithoutVersion(platforms->front().platform) != *requested.begin()) {
      warnings.push_back(absl::StrCat("Requested platform \"", *requested.begin(),
                                      "\" does not match result platform \"", *made.begin(), "\""));
    }
    return warnings;
  }
  return {absl::StrCat("Requested platforms ", absl::StrJoin(requested, ","),
                       " do not match result platforms ", absl::StrJoin(made, ","))};
}

}  // namespace cairn::control

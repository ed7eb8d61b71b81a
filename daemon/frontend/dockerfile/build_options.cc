#include "daemon/frontend/dockerfile/build_options.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/frontend/dockerfile/image_reference.h"
#include "daemon/frontend/dockerfile/location.h"
#include "daemon/frontend/dockerfile/text.h"
#include "runtime/base/fields.h"

namespace cairn::dockerfile {
namespace {

// The scanner that clients mean when they ask for an SBOM without naming one.
constexpr char kDefaultSbomGenerator[] = "docker/buildkit-syft-scanner:stable-1";

using Attributes = std::map<std::string, std::string>;

std::string Get(const Attributes& attributes, const std::string& key) {
  const auto found = attributes.find(key);
  return found == attributes.end() ? "" : found->second;
}

StatusOr<std::vector<Platform>> ParsePlatforms(const std::string& text) {
  std::vector<Platform> platforms;
  if (text.empty()) {
    return platforms;
  }
  for (const string_view part : absl::StrSplit(text, ',')) {
    const StatusOr<Platform> platform = Platform::Parse(part);
    if (!platform.ok()) {
      return Error(absl::StrCat("failed to parse target platform ", part, ": ",
                                platform.status().message()));
    }
    platforms.push_back(platform->Normalized());
  }
  return platforms;
}

// The address as Go prints it, or nullopt.
std::optional<std::string> NormalizeAddress(const std::string& text) {
  in6_addr address;
  char buffer[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), &address) == 1) {
      return std::string(inet_ntop(family, &address, buffer, sizeof buffer));
    }
  }
  return std::nullopt;
}

StatusOr<std::vector<std::pair<std::string, std::string>>> ParseExtraHosts(
    const std::string& text) {
  std::vector<std::pair<std::string, std::string>> hosts;
  if (text.empty()) {
    return hosts;
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> fields, SplitFields(text));
  for (const std::string& field : fields) {
    const std::string lower = absl::AsciiStrToLower(field);
    const size_t equals = lower.find('=');
    if (equals == std::string::npos) {
      return Error(absl::StrCat("invalid key-value pair ", field));
    }
    const std::string address = lower.substr(equals + 1);
    const std::optional<std::string> normalized = NormalizeAddress(address);
    if (!normalized.has_value()) {
      return Error(absl::StrCat("failed to parse IP ", address));
    }
    hosts.emplace_back(lower.substr(0, equals), *normalized);
  }
  return hosts;
}

StatusOr<pb::Ulimit> ParseUlimit(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    return Error(absl::StrCat("invalid ulimit argument: ", text));
  }
  static const std::set<std::string> kNames = {
      "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue", "nice",
      "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};
  pb::Ulimit limit;
  limit.set_name(text.substr(0, equals));
  if (kNames.count(limit.name()) == 0) {
    return Error(absl::StrCat("invalid ulimit type: ", limit.name()));
  }
  const std::vector<std::string> values = absl::StrSplit(text.substr(equals + 1), ':');
  if (values.size() > 2) {
    return Error(absl::StrCat("too many limit value arguments - ", text.substr(equals + 1),
                              ", can only have up to two, `soft[:hard]`"));
  }
  int64_t numbers[2] = {0, 0};
  for (size_t i = 0; i < values.size(); ++i) {
    if (!absl::SimpleAtoi(values[i], &numbers[i])) {
      return Error(
          absl::StrCat("strconv.ParseInt: parsing ", Quote(values[i]), ": invalid syntax"));
    }
  }
  limit.set_soft(numbers[0]);
  limit.set_hard(values.size() == 2 ? numbers[1] : numbers[0]);
  if (limit.hard() != -1 && (limit.soft() == -1 || limit.soft() > limit.hard())) {
    return Error(absl::StrCat("ulimit soft limit must be less than or equal to hard limit: ",
                              limit.soft(), " > ", limit.hard()));
  }
  return limit;
}

StatusOr<std::vector<pb::Ulimit>> ParseUlimits(const std::string& text) {
  std::vector<pb::Ulimit> limits;
  if (text.empty()) {
    return limits;
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> fields, SplitFields(text));
  for (const std::string& field : fields) {
    ASSIGN_OR_RETURN(pb::Ulimit limit, ParseUlimit(field));
    limits.push_back(std::move(limit));
  }
  return limits;
}

// A number that must be positive, or -1 where `minus_one` says so; 0 when absent.
StatusOr<int64_t> ParsePositive(const Attributes& attributes, const std::string& key,
                                bool minus_one) {
  const std::string text = Get(attributes, key);
  if (text.empty()) {
    return 0;
  }
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) {
    return Error(absl::StrCat("invalid ", key, " value: ", text, ": strconv.ParseInt: parsing ",
                              Quote(text), ": invalid syntax"));
  }
  if (value <= 0 && !(minus_one && value == -1)) {
    return Error(absl::StrCat("invalid ", key, " value: ", text,
                              minus_one ? ": must be -1 (unlimited) or > 0" : ": must be > 0"));
  }
  return value;
}

// A list of numbers and ranges: "0-3,7".
StatusOr<std::string> ParseCpuSet(const Attributes& attributes, const std::string& key) {
  const std::string text = Get(attributes, key);
  if (text.empty()) {
    return text;
  }
  for (const string_view part : absl::StrSplit(text, ',')) {
    const std::vector<string_view> ends = absl::StrSplit(part, absl::MaxSplits('-', 1));
    uint32_t first = 0;
    uint32_t last = 0;
    const bool is_valid = absl::SimpleAtoi(ends.front(), &first) &&
                          absl::SimpleAtoi(ends.back(), &last) && first <= last;
    if (!is_valid) {
      return Error(absl::StrCat("invalid ", key, " value: ", text));
    }
  }
  return text;
}

StatusOr<std::optional<pb::LinuxResources>> ParseResources(const Attributes& attributes) {
  ASSIGN_OR_RETURN(const int64_t memory, ParsePositive(attributes, "memory", false));
  ASSIGN_OR_RETURN(const int64_t swap, ParsePositive(attributes, "memswap", true));
  ASSIGN_OR_RETURN(const int64_t shares, ParsePositive(attributes, "cpushares", false));
  ASSIGN_OR_RETURN(const int64_t period, ParsePositive(attributes, "cpuperiod", false));
  ASSIGN_OR_RETURN(const int64_t quota, ParsePositive(attributes, "cpuquota", false));
  ASSIGN_OR_RETURN(const std::string cpus, ParseCpuSet(attributes, "cpusetcpus"));
  ASSIGN_OR_RETURN(const std::string mems, ParseCpuSet(attributes, "cpusetmems"));
  pb::LinuxResources resources;
  resources.set_memory(memory);
  resources.set_memoryswap(swap);
  resources.set_cpushares(shares);
  resources.set_cpuperiod(period);
  resources.set_cpuquota(quota);
  resources.set_cpusetcpus(cpus);
  resources.set_cpusetmems(mems);
  if (resources.ByteSizeLong() == 0) {
    return std::nullopt;
  }
  return resources;
}

StatusOr<pb::NetMode> ParseNetwork(const std::string& text) {
  if (text.empty() || text == "sandbox") {
    return pb::UNSET;
  }
  if (text == "none") {
    return pb::NONE;
  }
  if (text == "host") {
    return pb::HOST;
  }
  return Error(absl::StrCat("invalid netmode ", text));
}

StatusOr<std::string> ParseResolveMode(const std::string& text) {
  if (text.empty() || text == "default") {
    return std::string("default");
  }
  if (text == "pull" || text == "local") {
    return text;
  }
  return Error(absl::StrCat("invalid image-resolve-mode: ", text));
}

StatusOr<bool> ParseMultiPlatform(const Attributes& attributes, size_t platforms) {
  std::string text = Get(attributes, "build-arg:BUILDKIT_MULTI_PLATFORM");
  if (text.empty()) {
    text = Get(attributes, "multi-platform");
  }
  if (text.empty()) {
    return platforms > 1;
  }
  const StatusOr<bool> parsed = ParseBool(text);
  if (!parsed.ok()) {
    return Error(absl::StrCat("invalid boolean value for multi-platform: ", text));
  }
  if (!*parsed && platforms > 1) {
    return Error("conflicting config: returning multiple target platforms is not allowed");
  }
  return parsed;
}

Status CheckRemovedOptions(const Attributes& attributes) {
  if (!Get(attributes, "override-copy-image").empty()) {
    return Error("support for \"override-copy-image\" was removed in BuildKit 0.11");
  }
  if (ParseBool(Get(attributes, "build-arg:BUILDKIT_DISABLE_FILEOP")).value_or(false)) {
    return Error("support for \"BUILDKIT_DISABLE_FILEOP\" build-arg was removed in BuildKit 0.11");
  }
  return absl::OkStatus();
}

}  // namespace

std::map<std::string, std::string> WithPrefixRemoved(
    const std::map<std::string, std::string>& attributes, const std::string& prefix) {
  std::map<std::string, std::string> found;
  for (const auto& [key, value] : attributes) {
    if (absl::StartsWith(key, prefix)) {
      found[key.substr(prefix.size())] = value;
    }
  }
  return found;
}

// "attest:sbom", in any case, is a record "generator=image,key=value,..".
StatusOr<std::optional<SbomOptions>> SbomOptions::Parse(const Attributes& attributes) {
  std::optional<std::string> record;
  for (const auto& [key, value] : attributes) {
    const std::string lower = absl::AsciiStrToLower(key);
    if (lower == "attest:sbom" || lower == "build-arg:buildkit_attest_sbom") {
      record = value;
    }
  }
  if (!record.has_value()) {
    return std::nullopt;
  }
  SbomOptions sbom{.generator = kDefaultSbomGenerator, .parameters = {}};
  std::vector<std::string> fields;
  if (!record->empty()) {
    ASSIGN_OR_RETURN_IN(fields, SplitFields(*record), "failed to parse sbom");
  }
  for (const std::string& field : fields) {
    const size_t equals = field.find('=');
    const std::string key = field.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : field.substr(equals + 1);
    if (key == "generator") {
      sbom.generator = value;
    } else if (!key.empty()) {
      sbom.parameters[key] = value;
    }
  }
  const StatusOr<ImageReference> image = ImageReference::Parse(sbom.generator);
  if (!image.ok()) {
    return Error(absl::StrCat("failed to parse sbom scanner ", sbom.generator, ": ",
                              image.status().message()));
  }
  sbom.generator = image->WithDefaultTag().ToString();
  return sbom;
}

StatusOr<BuildOptions> BuildOptions::Parse(const Attributes& attributes) {
  RETURN_IF_ERROR(CheckRemovedOptions(attributes));
  BuildOptions options;
  options.build_args = WithPrefixRemoved(attributes, "build-arg:");
  options.labels = WithPrefixRemoved(attributes, "label:");
  options.target = Get(attributes, "target");
  ASSIGN_OR_RETURN(options.target_platforms, ParsePlatforms(Get(attributes, "platform")));
  ASSIGN_OR_RETURN(options.image_resolve_mode,
                   ParseResolveMode(Get(attributes, "image-resolve-mode")));
  ASSIGN_OR_RETURN_IN(options.extra_hosts, ParseExtraHosts(Get(attributes, "add-hosts")),
                      "failed to parse additional hosts");
  const std::string shm_size = Get(attributes, "shm-size");
  if (!shm_size.empty() && !absl::SimpleAtoi(shm_size, &options.shm_size)) {
    return Error(absl::StrCat("failed to parse shm size: strconv.ParseInt: parsing ",
                              Quote(shm_size), ": invalid syntax"));
  }
  ASSIGN_OR_RETURN_IN(options.ulimits, ParseUlimits(Get(attributes, "ulimit")),
                      "failed to parse ulimit");
  ASSIGN_OR_RETURN_IN(options.resources, ParseResources(attributes),
                      "failed to parse resource limits");
  ASSIGN_OR_RETURN(options.network, ParseNetwork(Get(attributes, "force-network-mode")));
  ASSIGN_OR_RETURN(options.multi_platform,
                   ParseMultiPlatform(attributes, options.target_platforms.size()));
  ASSIGN_OR_RETURN(options.sbom, SbomOptions::Parse(attributes));
  options.cgroup_parent = Get(attributes, "cgroup-parent");
  options.cache_mount_namespace = Get(attributes, "build-arg:BUILDKIT_CACHE_MOUNT_NS");
  options.hostname = Get(attributes, "build-arg:BUILDKIT_SANDBOX_HOSTNAME");
  if (options.hostname.empty()) {
    options.hostname = Get(attributes, "hostname");
  }
  if (const auto no_cache = attributes.find("no-cache"); no_cache != attributes.end()) {
    options.no_cache_ = true;
    if (!no_cache->second.empty()) {
      options.no_cache_stages_ = absl::StrSplit(no_cache->second, ',');
    }
  }
  const auto check = attributes.find("build-arg:BUILDKIT_DOCKERFILE_CHECK");
  if (check != attributes.end()) {
    ASSIGN_OR_RETURN_IN(options.lint, LintOptions::Parse(check->second),
                        "failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK");
  }
  return options;
}

bool BuildOptions::IgnoresCache(const std::string& name) const {
  return no_cache_ &&
         (no_cache_stages_.empty() || std::any_of(no_cache_stages_.begin(), no_cache_stages_.end(),
                                                  [&](const std::string& stage) {
                                                    return absl::EqualsIgnoreCase(stage, name);
                                                  }));
}

}  // namespace cairn::dockerfile

#include "daemon/provenance/options.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/fields.h"

namespace cairn::provenance {
namespace {

constexpr string_view kPrefixes[] = {"attest:", "build-arg:BUILDKIT_ATTEST_"};
constexpr char kProvenance[] = "provenance";
constexpr char kSbom[] = "sbom";

// As Go's strconv.ParseBool takes it.
std::optional<bool> ParseFlag(const std::string& value) {
  for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (value == yes) {
      return true;
    }
  }
  for (const char* no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (value == no) {
      return false;
    }
  }
  return std::nullopt;
}

StatusOr<std::map<std::string, std::string>> ParseSettings(const std::string& text) {
  std::map<std::string, std::string> settings;
  if (text.empty()) {
    return settings;
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> fields, SplitFields(text));
  for (const std::string& field : fields) {
    const size_t equals = field.find('=');
    settings[field.substr(0, equals)] = equals == std::string::npos ? "" : field.substr(equals + 1);
  }
  return settings;
}

Status Apply(const std::string& key, const std::string& value, Options* out) {
  const std::optional<bool> flag = ParseFlag(value);
  if (key == "version") {
    if (value != "v1" && value != "v0.2") {
      return absl::InvalidArgumentError(absl::StrCat("invalid provenance SLSA version: ", value));
    }
    out->version = value == "v1" ? SlsaVersion::kV1 : SlsaVersion::kV02;
  } else if (key == "mode") {
    if (value != "min" && value != "max" && value != "full") {
      return absl::InvalidArgumentError(absl::StrCat("invalid mode \"", value, "\""));
    }
    out->max = value != "min";
  } else if (key == "reproducible" || key == "complete-materials") {
    if (!flag.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("failed to parse ", key, " flag \"", value, "\""));
    }
    (key == "reproducible" ? out->reproducible : out->complete_materials) = *flag;
  } else if (key == "inline-only") {
    out->inline_only = flag.value_or(false);
  } else if (key == "builder-id") {
    out->builder_id = value;
  } else if (key == "filename") {
    out->file_name = value;
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::map<std::string, std::map<std::string, std::string>>> RequestedAttestations(
    const std::map<std::string, std::string>& options) {
  std::map<std::string, std::map<std::string, std::string>> requested;
  for (const auto& [key, value] : options) {
    for (const string_view prefix : kPrefixes) {
      string_view name = key;
      if (!absl::ConsumePrefix(&name, prefix)) {
        continue;
      }
      const std::string type = absl::AsciiStrToLower(name);
      if (type != kProvenance && type != kSbom) {
        return absl::InvalidArgumentError(absl::StrCat("unknown attestation type \"", type, "\""));
      }
      ASSIGN_OR_RETURN_IN(requested[type], ParseSettings(value),
                          absl::StrCat("failed to parse ", type));
    }
  }
  return requested;
}

StatusOr<std::optional<Options>> RequestedProvenance(
    const std::map<std::string, std::string>& options) {
  ASSIGN_OR_RETURN(const auto requested, RequestedAttestations(options));
  const auto settings = requested.find(kProvenance);
  if (settings == requested.end()) {
    return std::optional<Options>();
  }
  Options parsed;
  for (const auto& [key, value] : settings->second) {
    RETURN_IF_ERROR(Apply(key, value, &parsed));
  }
  return std::optional<Options>(std::move(parsed));
}

}  // namespace cairn::provenance

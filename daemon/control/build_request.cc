#include "daemon/control/build_request.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace cairn::control {
namespace {

namespace api = moby::buildkit::v1;

constexpr int64_t kNewestCompatibility = 30;
constexpr char kEpochArgument[] = "build-arg:SOURCE_DATE_EPOCH";
constexpr char kEpochAttribute[] = "source-date-epoch";

template <typename Attributes>
std::map<std::string, std::string> ToMap(const Attributes& attributes) {
  return {attributes.begin(), attributes.end()};
}

void DecodeExporters(const api::SolveRequest& request, BuildRequest* out) {
  for (const api::Exporter& exporter : request.exporters()) {
    out->exporters.push_back({exporter.type(), ToMap(exporter.attrs())});
  }
  // Clients fill the older fields too, so they count only where the list is empty.
  if (out->exporters.empty() && !request.exporterdeprecated().empty()) {
    out->exporters.push_back(
        {request.exporterdeprecated(), ToMap(request.exporterattrsdeprecated())});
  }
  int64_t epoch = 0;
  const auto found = request.frontendattrs().find(kEpochArgument);
  if (found != request.frontendattrs().end() && absl::SimpleAtoi(found->second, &epoch)) {
    for (TypedAttributes& exporter : out->exporters) {
      exporter.attributes.emplace(kEpochAttribute, found->second);
    }
  }
}

void DecodeCaches(const api::CacheOptions& caches, BuildRequest* out) {
  for (const api::CacheOptionsEntry& entry : caches.exports()) {
    out->cache_exports.push_back({entry.type(), ToMap(entry.attrs())});
  }
  if (!caches.exportrefdeprecated().empty()) {
    TypedAttributes entry{"registry", ToMap(caches.exportattrsdeprecated())};
    entry.attributes["ref"] = caches.exportrefdeprecated();
    out->cache_exports.push_back(std::move(entry));
  }
  for (const api::CacheOptionsEntry& entry : caches.imports()) {
    out->cache_imports.push_back({entry.type(), ToMap(entry.attrs())});
  }
  for (const std::string& ref : caches.importrefsdeprecated()) {
    out->cache_imports.push_back({"registry", {{"ref", ref}}});
  }
}

Status DecodeCompatibility(int64_t version, BuildRequest* out) {
  out->compatibility_version = version == 0 ? kNewestCompatibility : version;
  if (version != 0 && version != 10 && version != 20 && version != 30) {
    return absl::InvalidArgumentError(
        absl::StrCat("unsupported compatibility version ", version, " (known: 10, 20, 30)"));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<BuildRequest> DecodeBuildRequest(const api::SolveRequest& request) {
  BuildRequest out;
  out.ref = request.ref();
  if (out.ref.empty()) {
    return absl::InvalidArgumentError("solve request without a ref");
  }
  out.session_id = request.session();
  out.frontend = request.frontend();
  // One without vertices is scratch, which is not the same as none.
  if (request.has_definition() && (request.definition().def_size() > 0 || out.frontend.empty())) {
    out.definition = request.definition();
    if (!out.frontend.empty()) {
      return absl::InvalidArgumentError("cannot solve with both definition and frontend specified");
    }
  }
  out.frontend_attributes = ToMap(request.frontendattrs());
  out.frontend_inputs.insert(request.frontendinputs().begin(), request.frontendinputs().end());
  DecodeExporters(request, &out);
  DecodeCaches(request.cache(), &out);
  out.entitlements.assign(request.entitlements().begin(), request.entitlements().end());
  out.internal = request.internal();
  out.session_exporter = request.enablesessionexporter();
  if (request.has_sourcepolicy()) {
    out.source_policy = request.sourcepolicy();
  }
  out.source_policy_session = request.sourcepolicysession();
  RETURN_IF_ERROR(DecodeCompatibility(request.compatibilityversion(), &out));
  return out;
}

}  // namespace cairn::control

#include "daemon/control/worker_info.h"

#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/ops.pb.h"

namespace cairn::control {
namespace {

// The module that clients know the daemon's API by.
constexpr char kPackage[] = "github.com/moby/buildkit";
constexpr char kDockerfileVersion[] = "1.20.0";

std::string Unquote(string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return std::string(text);
}

// The value of `field` ("id", "labels.<key>"), or nullptr when there is none.
const std::string* FieldOf(const WorkerInfo& worker, string_view field) {
  if (field == "id") {
    return &worker.id;
  }
  if (!absl::ConsumePrefix(&field, "labels.")) {
    return nullptr;
  }
  const auto found = worker.labels.find(Unquote(field));
  return found == worker.labels.end() ? nullptr : &found->second;
}

StatusOr<bool> MatchesTerm(const WorkerInfo& worker, string_view term) {
  for (const char* op : {"==", "!=", "~="}) {
    const size_t at = term.find(op);
    if (at == string_view::npos) {
      continue;
    }
    const std::string* actual = FieldOf(worker, term.substr(0, at));
    const std::string wanted = Unquote(term.substr(at + 2));
    if (op[0] == '=') {
      return actual != nullptr && *actual == wanted;
    }
    if (op[0] == '!') {
      return actual == nullptr || *actual != wanted;
    }
    try {
      return actual != nullptr && std::regex_search(*actual, std::regex(wanted));
    } catch (const std::regex_error&) {
      return absl::InvalidArgumentError(absl::StrCat("worker filter \"", term, "\": bad pattern"));
    }
  }
  if (term.empty()) {
    return absl::InvalidArgumentError("worker filter with an empty term");
  }
  return FieldOf(worker, term) != nullptr;
}

}  // namespace

string_view DockerfileVersion() { return kDockerfileVersion; }

void EncodePlatform(const Platform& platform, pb::Platform* out) {
  out->set_os(platform.os);
  out->set_architecture(platform.architecture);
  out->set_variant(platform.variant);
  out->set_osversion(platform.os_version);
  for (const std::string& feature : platform.os_features) {
    out->add_osfeatures(feature);
  }
}

Platform DecodePlatform(const pb::Platform& platform) {
  Platform out;
  out.os = platform.os();
  out.architecture = platform.architecture();
  out.variant = platform.variant();
  out.os_version = platform.osversion();
  out.os_features.assign(platform.osfeatures().begin(), platform.osfeatures().end());
  return out.Normalized();
}

void EncodeVersion(const WorkerInfo& worker, moby::buildkit::v1::types::BuildkitVersion* out) {
  out->set_package(kPackage);
  out->set_version(worker.version);
  out->set_revision(worker.revision);
  out->set_dockerfileversion(kDockerfileVersion);
}

void EncodeWorker(const WorkerInfo& worker, bool brief,
                  moby::buildkit::v1::types::WorkerRecord* out) {
  out->set_id(worker.id);
  out->mutable_labels()->insert(worker.labels.begin(), worker.labels.end());
  for (const Platform& platform : worker.platforms) {
    EncodePlatform(platform, out->add_platforms());
  }
  if (brief) {
    return;
  }
  EncodeVersion(worker, out->mutable_buildkitversion());
  for (const gc::PolicyRule& rule : worker.gc_policy) {
    auto* policy = out->add_gcpolicy();
    policy->set_all(rule.all);
    policy->set_keepduration(absl::ToInt64Nanoseconds(rule.keep_duration));
    policy->set_reservedspace(static_cast<int64_t>(rule.reserved_space));
    policy->set_maxusedspace(static_cast<int64_t>(rule.max_used_space));
    policy->set_minfreespace(static_cast<int64_t>(rule.min_free_space));
    policy->mutable_filters()->Add(rule.filters.begin(), rule.filters.end());
  }
}

void EncodeDevices(const devices::DeviceCatalog& catalog,
                   moby::buildkit::v1::types::WorkerRecord* out) {
  for (const auto& [name, device] : catalog.devices()) {
    auto* message = out->add_cdidevices();
    message->set_name(name);
    message->set_autoallow(device.auto_allow);
    message->mutable_annotations()->insert(device.annotations.begin(), device.annotations.end());
  }
}

StatusOr<bool> MatchesWorker(const WorkerInfo& worker, const std::vector<std::string>& filters) {
  for (const std::string& filter : filters) {
    bool all = true;
    for (const string_view term : absl::StrSplit(filter, ',')) {
      ASSIGN_OR_RETURN(const bool matches, MatchesTerm(worker, term));
      all = all && matches;
    }
    if (all) {
      return true;
    }
  }
  return filters.empty();
}

}  // namespace cairn::control

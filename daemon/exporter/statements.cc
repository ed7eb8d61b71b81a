#include "daemon/exporter/statements.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cache/registry/reference.h"
#include "daemon/provenance/package_url.h"

namespace cairn::exporter {
namespace {

constexpr char kStatementType[] = "https://in-toto.io/Statement/v1";

}  // namespace

StatusOr<std::string> MakeStatement(const SolvedAttestation& attestation,
                                    const std::vector<StatementSubject>& subjects) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const StatementSubject& subject : subjects) {
    nlohmann::ordered_json item;
    item["name"] = subject.name;
    item["digest"] = {{"sha256", subject.digest.hex()}};
    list.push_back(std::move(item));
  }
  nlohmann::ordered_json head;
  head["_type"] = kStatementType;
  head["predicateType"] = attestation.predicate_type;
  head["subject"] = std::move(list);
  std::string text = head.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.pop_back();
  ASSIGN_OR_RETURN(const std::string predicate, attestation.predicate());
  return absl::StrCat(text, ",\"predicate\":", predicate, "}");
}

std::vector<StatementSubject> ImageSubjects(const std::string& names, const Platform& platform,
                                            const Digest& manifest) {
  std::vector<StatementSubject> subjects;
  for (const string_view name : absl::StrSplit(names, ',', absl::SkipEmpty())) {
    const StatusOr<registry::ImageReference> reference = registry::ImageReference::Parse(name);
    if (!reference.ok()) {
      continue;
    }
    subjects.push_back(
        {.name = provenance::ImagePackageUrl("docker", *reference, platform), .digest = manifest});
  }
  return subjects;
}

}  // namespace cairn::exporter

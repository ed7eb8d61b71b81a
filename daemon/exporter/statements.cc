#include "daemon/exporter/statements.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cache/registry/reference.h"

namespace cairn::exporter {
namespace {

constexpr char kStatementType[] = "https://in-toto.io/Statement/v1";

// What a package URL escapes in a version or qualifier (purl specification).
std::string Escape(string_view text) {
  return absl::StrReplaceAll(text, {{"%", "%25"},
                                    {"/", "%2F"},
                                    {"@", "%40"},
                                    {"?", "%3F"},
                                    {"#", "%23"},
                                    {"&", "%26"},
                                    {" ", "%20"},
                                    {"+", "%2B"}});
}

}  // namespace

std::string MakeStatement(const SolvedAttestation& attestation,
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
  return absl::StrCat(text, ",\"predicate\":", attestation.predicate, "}");
}

std::vector<StatementSubject> ImageSubjects(const std::string& names, const Platform& platform,
                                            const Digest& manifest) {
  std::vector<StatementSubject> subjects;
  for (const string_view name : absl::StrSplit(names, ',', absl::SkipEmpty())) {
    const StatusOr<registry::ImageReference> reference = registry::ImageReference::Parse(name);
    if (!reference.ok()) {
      continue;
    }
    const std::string familiar = reference->Familiar();
    const std::string repository = familiar.substr(0, familiar.find_last_of(':'));
    subjects.push_back(
        {.name = absl::StrCat("pkg:docker/", repository, "@", Escape(reference->tag()),
                              "?platform=", Escape(platform.ToString())),
         .digest = manifest});
  }
  return subjects;
}

}  // namespace cairn::exporter

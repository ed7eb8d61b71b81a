#include "daemon/control/attestation_reader.h"

#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/go_match.h"
#include "runtime/base/path_text.h"

namespace cairn::control {
namespace {

using Attestations = std::vector<exporter::SolvedAttestation>;

constexpr char kInlineOnly[] = "inline-only";
constexpr char kCoreScan[] = "sbom-core";
constexpr char kProvenance[] = "https://slsa.dev/provenance/";

bool IsInlineOnly(const solver::Attestation& attestation) {
  const auto found = attestation.metadata.find(kInlineOnly);
  return found != attestation.metadata.end() && (found->second == "true" || found->second == "1");
}

// The subjects of a statement that an attestation quotes.
std::vector<solver::Attestation::Subject> SubjectsOf(const nlohmann::ordered_json& statement) {
  std::vector<solver::Attestation::Subject> subjects;
  const auto list = statement.find("subject");
  if (list == statement.end() || !list->is_array()) {
    return subjects;
  }
  for (const auto& item : *list) {
    solver::Attestation::Subject subject{.raw = true};
    if (item.is_object() && item.contains("name") && item["name"].is_string()) {
      subject.name = item["name"].get<std::string>();
    }
    if (item.is_object() && item.contains("digest") && item["digest"].is_object()) {
      for (const auto& [algorithm, digest] : item["digest"].items()) {
        if (digest.is_string()) {
          subject.digests.push_back(absl::StrCat(algorithm, ":", digest.get<std::string>()));
        }
      }
    }
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

StatusOr<exporter::SolvedAttestation> ParseStatement(const std::string& name,
                                                     const std::string& text) {
  const auto json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("predicate") || !json.contains("predicateType") ||
      !json["predicateType"].is_string()) {
    return absl::InvalidArgumentError(absl::StrCat("attestation ", name, ": no in-toto statement"));
  }
  exporter::SolvedAttestation out;
  out.predicate_type = json["predicateType"].get<std::string>();
  out.predicate = [text = json["predicate"].dump(
                       -1, ' ', false, nlohmann::json::error_handler_t::replace)] { return text; };
  out.subjects = SubjectsOf(json);
  out.file_name = BaseName(name);
  return out;
}

// Provenance says how a build was made: nobody who takes part in it may.
Status CheckPredicateType(const std::string& type, string_view what) {
  if (!absl::StartsWith(type, kProvenance)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("frontend may not ", what, " provenance attestations"));
}

Status ReadBundle(solver::Bridge& bridge, const solver::Attestation& attestation,
                  const CancelToken& cancel, Attestations* out) {
  ASSIGN_OR_RETURN(const std::vector<solver::FileStat> entries,
                   bridge.ReadDir(attestation.ref, attestation.path, "", cancel));
  for (const solver::FileStat& entry : entries) {
    const std::string path = JoinPath(attestation.path, entry.path);
    ASSIGN_OR_RETURN(const std::string text,
                     bridge.ReadFile(attestation.ref, path, std::nullopt, cancel));
    ASSIGN_OR_RETURN(exporter::SolvedAttestation solved, ParseStatement(entry.path, text));
    RETURN_IF_ERROR(CheckPredicateType(solved.predicate_type, "bundle"));
    if (!attestation.predicate_type.empty() &&
        solved.predicate_type != attestation.predicate_type) {
      return absl::InvalidArgumentError(absl::StrCat("bundle entry ", solved.predicate_type,
                                                     " does not match required predicate type ",
                                                     attestation.predicate_type));
    }
    solved.inline_only = IsInlineOnly(attestation);
    out->push_back(std::move(solved));
  }
  return absl::OkStatus();
}

Status ReadOne(solver::Bridge& bridge, const solver::Attestation& attestation,
               const CancelToken& cancel, Attestations* out) {
  if (attestation.kind == solver::Attestation::Kind::kBundle) {
    return ReadBundle(bridge, attestation, cancel, out);
  }
  RETURN_IF_ERROR(CheckPredicateType(attestation.predicate_type, "set"));
  exporter::SolvedAttestation solved;
  solved.predicate_type = attestation.predicate_type;
  ASSIGN_OR_RETURN(const std::string text,
                   bridge.ReadFile(attestation.ref, attestation.path, std::nullopt, cancel));
  solved.predicate = [text] { return text; };
  solved.subjects = attestation.subjects;
  solved.file_name = BaseName(attestation.path);
  solved.inline_only = IsInlineOnly(attestation);
  out->push_back(std::move(solved));
  return absl::OkStatus();
}

// Whether it is the scan of the result itself, which comes before the others.
bool IsCoreScan(const solver::Attestation& attestation, const exporter::SolvedAttestation& solved) {
  const auto name = attestation.metadata.find(kCoreScan);
  return name != attestation.metadata.end() &&
         solved.file_name.substr(0, solved.file_name.find('.')) == name->second;
}

}  // namespace

StatusOr<std::map<std::string, Attestations>> ReadAttestations(solver::Bridge& bridge,
                                                               const solver::FrontendResult& result,
                                                               const CancelToken& cancel) {
  std::map<std::string, Attestations> out;
  for (const auto& [platform, attestations] : result.attestations) {
    Attestations core;
    Attestations others;
    for (const solver::Attestation& attestation : attestations) {
      Attestations read;
      RETURN_IF_ERROR_IN(ReadOne(bridge, attestation, cancel, &read),
                         absl::StrCat("read the attestation ", attestation.path));
      for (exporter::SolvedAttestation& solved : read) {
        solved.core_scan = IsCoreScan(attestation, solved);
        (solved.core_scan ? core : others).push_back(std::move(solved));
      }
    }
    core.insert(core.end(), std::make_move_iterator(others.begin()),
                std::make_move_iterator(others.end()));
    out[platform] = std::move(core);
  }
  return out;
}

}  // namespace cairn::control

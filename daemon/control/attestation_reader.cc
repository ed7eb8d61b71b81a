#include "daemon/control/attestation_reader.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/go_match.h"

namespace cairn::control {
namespace {

using Attestations = std::vector<exporter::SolvedAttestation>;

constexpr char kInlineOnly[] = "inline-only";

std::string BaseName(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

bool IsInlineOnly(const solver::Attestation& attestation) {
  const auto found = attestation.metadata.find(kInlineOnly);
  return found != attestation.metadata.end() && (found->second == "true" || found->second == "1");
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
  out.file_name = BaseName(name);
  return out;
}

Status ReadBundle(solver::Bridge& bridge, const solver::Attestation& attestation,
                  const CancelToken& cancel, Attestations* out) {
  ASSIGN_OR_RETURN(const std::vector<solver::FileStat> entries,
                   bridge.ReadDir(attestation.ref, attestation.path, "", cancel));
  for (const solver::FileStat& entry : entries) {
    if (entry.kind != fs::Kind::kFile) {
      continue;
    }
    const std::string path = JoinPath(attestation.path, entry.path);
    ASSIGN_OR_RETURN(const std::string text,
                     bridge.ReadFile(attestation.ref, path, std::nullopt, cancel));
    ASSIGN_OR_RETURN(exporter::SolvedAttestation solved, ParseStatement(entry.path, text));
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
  exporter::SolvedAttestation solved;
  solved.predicate_type = attestation.predicate_type;
  ASSIGN_OR_RETURN(const std::string text,
                   bridge.ReadFile(attestation.ref, attestation.path, std::nullopt, cancel));
  solved.predicate = [text] { return text; };
  solved.file_name = BaseName(attestation.path);
  solved.inline_only = IsInlineOnly(attestation);
  out->push_back(std::move(solved));
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::map<std::string, Attestations>> ReadAttestations(solver::Bridge& bridge,
                                                               const solver::FrontendResult& result,
                                                               const CancelToken& cancel) {
  std::map<std::string, Attestations> out;
  for (const auto& entry : result.attestations) {
    for (const solver::Attestation& attestation : entry.second) {
      RETURN_IF_ERROR_IN(ReadOne(bridge, attestation, cancel, &out[entry.first]),
                         absl::StrCat("read the attestation ", attestation.path));
    }
  }
  return out;
}

}  // namespace cairn::control

#include "daemon/exporter/statements.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cache/registry/reference.h"
#include "daemon/provenance/package_url.h"
#include "runtime/base/go_quote.h"

namespace cairn::exporter {
namespace {

constexpr char kStatementType[] = "https://in-toto.io/Statement/v1";

using nlohmann::ordered_json;

std::string Dump(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json SubjectJson(const std::string& name, const std::vector<std::string>& digests) {
  ordered_json json;
  json["name"] = name;
  nlohmann::json by_algorithm = nlohmann::json::object();  // sorted
  for (const std::string& digest : digests) {
    const size_t colon = digest.find(':');
    if (colon != std::string::npos) {
      by_algorithm[digest.substr(0, colon)] = digest.substr(colon + 1);
    }
  }
  json["digest"] = by_algorithm;
  return json;
}

ordered_json SubjectsJson(const SolvedAttestation& attestation,
                          const std::vector<StatementSubject>& self) {
  std::vector<solver::Attestation::Subject> subjects = attestation.subjects;
  if (subjects.empty()) {
    subjects.emplace_back();
  }
  ordered_json list = ordered_json::array();
  for (const solver::Attestation::Subject& subject : subjects) {
    if (subject.raw) {
      list.push_back(SubjectJson(subject.name.empty() ? "_" : subject.name, subject.digests));
      continue;
    }
    for (const StatementSubject& one : self) {
      const std::vector<std::string> digests = {one.digest.ToString()};
      list.push_back(SubjectJson(one.name, digests));
      if (!subject.name.empty() && subject.name != "_") {
        list.push_back(SubjectJson(subject.name, digests));
      }
    }
  }
  return list;
}

// `json`, which is valid, without the whitespace between its tokens.
std::string CompactJson(string_view json) {
  std::string compact;
  compact.reserve(json.size());
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string && c == '\\') {
      compact += c;
      compact += json[++i];
      continue;
    }
    in_string = in_string != (c == '"');
    if (in_string || !absl::ascii_isspace(static_cast<unsigned char>(c))) {
      compact += c;
    }
  }
  return compact;
}

}  // namespace

StatusOr<std::string> MakeStatement(const SolvedAttestation& attestation,
                                    const std::vector<StatementSubject>& self) {
  ASSIGN_OR_RETURN(std::string predicate, attestation.predicate());
  if (predicate.empty()) {
    predicate = "null";
  }
  if (!ordered_json::accept(predicate)) {
    return absl::InvalidArgumentError(
        absl::StrCat("attestation ", attestation.file_name, ": its predicate is no valid JSON"));
  }
  ordered_json head;
  head["_type"] = kStatementType;
  head["predicateType"] = attestation.predicate_type;
  head["subject"] = SubjectsJson(attestation, self);
  std::string text = Dump(head);
  text.pop_back();
  return GoJson(absl::StrCat(text, ",\"predicate\":", CompactJson(predicate), "}"));
}

std::string IndentJson(string_view json) {
  std::string out;
  const std::string compact = CompactJson(json);
  int level = 0;
  const auto new_line = [&] {
    out += '\n';
    out.append(static_cast<size_t>(2 * level), ' ');
  };
  bool in_string = false;
  for (size_t i = 0; i < compact.size(); ++i) {
    const char c = compact[i];
    if (in_string && c == '\\') {
      out += c;
      out += compact[++i];
      continue;
    }
    in_string = in_string != (c == '"');
    const bool structural = !in_string && c != '"';
    if (structural && (c == '{' || c == '[')) {
      out += c;
      if (i + 1 < compact.size() && (compact[i + 1] == '}' || compact[i + 1] == ']')) {
        out += compact[++i];
        continue;
      }
      ++level;
      new_line();
    } else if (structural && (c == '}' || c == ']')) {
      --level;
      new_line();
      out += c;
    } else {
      out += c;
      if (structural && c == ',') {
        new_line();
      } else if (structural && c == ':') {
        out += ' ';
      }
    }
  }
  return out;
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

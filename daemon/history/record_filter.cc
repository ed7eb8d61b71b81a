#include "daemon/history/record_filter.h"

#include <regex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/history/record_time.h"
#include "proto/rpc_status.pb.h"

namespace cairn::history {
namespace {

using Record = moby::buildkit::v1::BuildHistoryRecord;

// Longest first, so that ">=" is not taken for ">".
constexpr const char* kOperators[] = {"==", "!=", "~=", ">=", "<=", ">", "<"};

std::string StatusOf(const Record& record) {
  if (!record.has_completedat()) {
    return "running";
  }
  if (!record.has_error()) {
    return "completed";
  }
  return record.error().code() == static_cast<int>(absl::StatusCode::kCancelled) ? "canceled"
                                                                                 : "error";
}

std::string RepositoryOf(const Record& record) {
  for (const char* key : {"vcs:source", "context"}) {
    const auto found = record.frontendattrs().find(key);
    if (found != record.frontendattrs().end()) {
      return found->second;
    }
  }
  return "";
}

template <typename T>
bool Compare(const std::string& op, const T& left, const T& right) {
  if (op == ">") return left > right;
  if (op == ">=") return left >= right;
  if (op == "<") return left < right;
  if (op == "<=") return left <= right;
  return op == "==" ? left == right : left != right;
}

bool CompareText(const std::string& op, const std::string& left, const std::string& right) {
  // The expression was tried when it was parsed.
  return op == "~=" ? std::regex_search(left, std::regex(right)) : Compare(op, left, right);
}

Status BadTerm(const std::string& term, string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat("history filter \"", term, "\": ", reason));
}

bool IsRegex(const std::string& text) {
  try {
    const std::regex parsed(text);
    return true;
  } catch (const std::regex_error&) {
    return false;
  }
}

}  // namespace

StatusOr<RecordFilter::Term> RecordFilter::ParseTerm(const std::string& expression,
                                                     absl::Time now) {
  Term term;
  size_t at = std::string::npos;
  for (const char* op : kOperators) {
    at = expression.find(op);
    if (at != std::string::npos) {
      term.op = op;
      break;
    }
  }
  if (at == std::string::npos) {
    return BadTerm(expression, "write FIELD==VALUE");
  }
  term.field = std::string(absl::StripAsciiWhitespace(expression.substr(0, at)));
  string_view value =
      absl::StripAsciiWhitespace(string_view(expression).substr(at + term.op.size()));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  term.text = std::string(value);
  const bool ordered = term.op[0] == '<' || term.op[0] == '>';
  if (term.field == "ref" || term.field == "status" || term.field == "repository") {
    if (ordered) {
      return BadTerm(expression, "this field knows ==, != and ~=");
    }
    if (term.op == "~=" && !IsRegex(term.text)) {
      return BadTerm(expression, "not a regular expression");
    }
    return term;
  }
  if (term.op == "~=") {
    return BadTerm(expression, "this field knows ==, !=, >, >=, < and <=");
  }
  const bool is_duration = absl::ParseDuration(term.text, &term.duration);
  if (term.field == "duration") {
    return is_duration ? StatusOr<Term>(term) : BadTerm(expression, "not a duration");
  }
  if (term.field != "startedAt" && term.field != "completedAt") {
    return BadTerm(expression, "unknown field");
  }
  std::string error;
  if (is_duration) {
    term.time = now - term.duration;
  } else if (!absl::ParseTime(absl::RFC3339_full, term.text, &term.time, &error)) {
    return BadTerm(expression, "neither a time nor a duration");
  }
  return term;
}

StatusOr<RecordFilter> RecordFilter::Parse(const std::vector<std::string>& expressions,
                                           absl::Time now) {
  RecordFilter filter;
  filter.now_ = now;
  for (const std::string& expression : expressions) {
    std::vector<Term> terms;
    for (const string_view text : absl::StrSplit(expression, ',')) {
      ASSIGN_OR_RETURN(Term term, ParseTerm(std::string(text), now));
      terms.push_back(std::move(term));
    }
    filter.alternatives_.push_back(std::move(terms));
  }
  return filter;
}

bool RecordFilter::Matches(const Record& record) const {
  for (const std::vector<Term>& terms : alternatives_) {
    bool all = true;
    for (const Term& term : terms) {
      all = all && MatchesTerm(term, record);
    }
    if (all) {
      return true;
    }
  }
  return alternatives_.empty();
}

bool RecordFilter::MatchesTerm(const Term& term, const Record& record) const {
  if (term.field == "ref") {
    return CompareText(term.op, record.ref(), term.text);
  }
  if (term.field == "status") {
    return CompareText(term.op, StatusOf(record), term.text);
  }
  if (term.field == "repository") {
    return CompareText(term.op, RepositoryOf(record), term.text);
  }
  const absl::Time started = ToTime(record.createdat());
  if (term.field == "startedAt") {
    return Compare(term.op, started, term.time);
  }
  const absl::Time ended = record.has_completedat() ? ToTime(record.completedat()) : now_;
  if (term.field == "completedAt") {
    return record.has_completedat() && Compare(term.op, ended, term.time);
  }
  return Compare(term.op, ended - started, term.duration);
}

}  // namespace cairn::history

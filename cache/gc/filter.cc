#include "cache/gc/filter.h"

#include <re2/re2.h>

#include <cctype>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cairn::gc {
namespace {

// A value as it is matched: absent fields are empty and not present.
struct FieldValue {
  std::string text;
  bool present = false;
};

FieldValue FieldOf(const Record& record, const std::string& field) {
  const auto text = [](std::string value) {
    const bool present = !value.empty();
    return FieldValue{std::move(value), present};
  };
  const auto flag = [](bool value) { return FieldValue{"", value}; };
  if (field == "id") return text(record.id);
  if (field == "parents") return text(absl::StrJoin(record.parents, ";"));
  if (field == "description") return text(record.description);
  if (field == "type") return text(std::string(RecordTypeName(record.type)));
  if (field == "inuse") return flag(record.in_use);
  if (field == "mutable") return flag(record.is_mutable);
  if (field == "immutable") return flag(!record.is_mutable);
  if (field == "shared") return flag(record.shared);
  if (field == "private") return flag(!record.shared);
  return FieldValue();
}

bool IsFieldCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
}

// Reads one expression: terms separated by commas, a term being a field and maybe an operator and
// a value; fields and values may be quoted, a regular expression also with '/' or '|'.
class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  bool AtEnd() const { return position_ == text_.size(); }
  bool Take(string_view token) {
    if (string_view(text_).substr(position_, token.size()) != token) {
      return false;
    }
    position_ += token.size();
    return true;
  }

  StatusOr<std::string> Field() {
    if (!AtEnd() && text_[position_] == '"') {
      return Quoted('"');
    }
    const size_t start = position_;
    while (!AtEnd() && IsFieldCharacter(text_[position_])) {
      ++position_;
    }
    if (position_ == start) {
      return Error("a field name is expected");
    }
    return text_.substr(start, position_ - start);
  }

  StatusOr<std::string> Value(bool regular_expression) {
    if (AtEnd()) {
      return Error("a value is expected");
    }
    const char first = text_[position_];
    if (first == '"' || (regular_expression && (first == '/' || first == '|'))) {
      return Quoted(first);
    }
    const size_t start = position_;
    while (!AtEnd() && text_[position_] != ',' && text_[position_] != ' ') {
      ++position_;
    }
    if (position_ == start) {
      return Error("a value is expected");
    }
    return text_.substr(start, position_ - start);
  }

  Status Error(string_view what) const {
    const std::string before = text_.substr(0, position_);
    const std::string place = AtEnd() ? before
                                      : absl::StrCat(before, " >|", text_.substr(position_, 1),
                                                     "|< ", text_.substr(position_ + 1));
    return absl::InvalidArgumentError(absl::StrCat("filters: parse error: [", place, "]: ", what));
  }

 private:
  StatusOr<std::string> Quoted(char quote) {
    size_t end = position_ + 1;
    while (end < text_.size() && text_[end] != quote) {
      end += text_[end] == '\\' ? 2 : 1;
    }
    if (end >= text_.size()) {
      return Error("the quote is not closed");
    }
    const std::string inner = text_.substr(position_ + 1, end - position_ - 1);
    std::string value = inner;
    // In a regular expression in slashes a backslash is the expression's own.
    if (quote == '"' && !absl::CUnescape(inner, &value)) {
      return Error("the quoted text has a bad escape");
    }
    position_ = end + 1;
    return value;
  }

  const std::string& text_;
  size_t position_ = 0;
};

RE2::Options QuietOptions() {
  RE2::Options options;
  options.set_log_errors(false);
  return options;
}

}  // namespace

StatusOr<Filter> Filter::Parse(const std::vector<std::string>& expressions) {
  Filter filter;
  for (const std::string& expression : expressions) {
    Parser parser(expression);
    std::vector<Term> terms;
    while (!parser.AtEnd()) {
      Term term;
      ASSIGN_OR_RETURN(term.field, parser.Field());
      for (const char* op : {"==", "!=", "~="}) {
        if (parser.Take(op)) {
          term.op = op;
          ASSIGN_OR_RETURN(term.value, parser.Value(term.op == "~="));
          break;
        }
      }
      if (term.op == "~=" && !RE2(term.value, QuietOptions()).ok()) {
        return parser.Error(absl::StrCat("bad regular expression ", term.value));
      }
      terms.push_back(std::move(term));
      if (!parser.AtEnd() && (!parser.Take(",") || parser.AtEnd())) {
        return parser.Error("\",\" and a field are expected");
      }
    }
    filter.alternatives_.push_back(std::move(terms));
  }
  return filter;
}

bool Filter::Matches(const Record& record) const {
  const auto matches = [&](const Term& term) {
    const FieldValue value = FieldOf(record, term.field);
    if (term.op == "==") {
      return value.present && value.text == term.value;
    }
    if (term.op == "!=") {
      return value.text != term.value;
    }
    if (term.op == "~=") {
      return RE2::PartialMatch(value.text, RE2(term.value, QuietOptions()));
    }
    return value.present;
  };
  for (const std::vector<Term>& terms : alternatives_) {
    bool all = true;
    for (const Term& term : terms) {
      all = all && matches(term);
    }
    if (all) {
      return true;
    }
  }
  return alternatives_.empty();
}

}  // namespace cairn::gc

#include "daemon/frontend/dockerfile/directives.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {
namespace {

// Splits "name = value"; false when `text` has another form.
bool SplitDirective(string_view text, std::string& name, std::string& value) {
  text = absl::StripLeadingAsciiWhitespace(text);
  if (text.empty() || !absl::ascii_isalpha(text[0])) {
    return false;
  }
  const size_t length =
      std::find_if_not(text.begin(), text.end(), [](char c) { return absl::ascii_isalnum(c); }) -
      text.begin();
  name = absl::AsciiStrToLower(text.substr(0, length));
  text = absl::StripLeadingAsciiWhitespace(text.substr(length));
  if (!absl::ConsumePrefix(&text, "=")) {
    return false;
  }
  value = std::string(absl::StripAsciiWhitespace(text));
  return !value.empty();
}

std::optional<Directive> FindIn(string_view file, DirectiveReader reader, string_view name) {
  for (const string_view line : absl::StrSplit(file, '\n')) {
    const StatusOr<std::optional<Directive>> directive = reader.Read(absl::StripSuffix(line, "\r"));
    if (!directive.ok() || !directive->has_value()) {
      return std::nullopt;
    }
    if ((*directive)->name == name) {
      return *directive;
    }
  }
  return std::nullopt;
}

string_view WithoutPreamble(string_view file, int& line) {
  absl::ConsumePrefix(&file, "\xEF\xBB\xBF");
  line = 0;
  if (absl::StartsWith(file, "#!")) {
    const size_t end = file.find('\n');
    file = end == string_view::npos ? string_view() : file.substr(end + 1);
    line = 1;
  }
  return file;
}

std::string FirstWord(const std::string& value) { return value.substr(0, value.find(' ')); }

}  // namespace

StatusOr<std::optional<Directive>> DirectiveReader::Read(string_view line) {
  ++line_;
  if (done_) {
    return std::nullopt;
  }
  Directive directive;
  if (!absl::ConsumePrefix(&line, comment_) ||
      !SplitDirective(line, directive.name, directive.value) ||
      (directive.name != "syntax" && directive.name != "escape" && directive.name != "check")) {
    done_ = true;
    return std::nullopt;
  }
  if (!seen_.insert(directive.name).second) {
    return Error(absl::StrCat("only one ", directive.name, " parser directive can be used"));
  }
  directive.location = LineRanges(line_, line_);
  return directive;
}

std::optional<SyntaxRequest> DetectSyntax(string_view file) {
  int line = 0;
  file = WithoutPreamble(file, line);
  for (const char* comment : {"#", "//"}) {
    if (const auto found = FindIn(file, DirectiveReader(comment, line), "syntax")) {
      return SyntaxRequest{FirstWord(found->value), found->value, found->location};
    }
  }
  // A file that begins with something else than an object is not worth parsing.
  if (absl::StartsWith(absl::StripLeadingAsciiWhitespace(file), "{")) {
    const auto json = nlohmann::json::parse(file.begin(), file.end(), nullptr, false);
    if (json.is_object() && json.contains("syntax") && json["syntax"].is_string()) {
      const std::string value = json["syntax"];
      return SyntaxRequest{value, value, LineRanges(line, line)};
    }
  }
  return std::nullopt;
}

std::optional<std::string> FindDirective(string_view file, string_view name) {
  int line = 0;
  file = WithoutPreamble(file, line);
  const auto found = FindIn(file, DirectiveReader("#", line), name);
  if (!found.has_value()) {
    return std::nullopt;
  }
  return FirstWord(found->value);
}

}  // namespace cairn::dockerfile

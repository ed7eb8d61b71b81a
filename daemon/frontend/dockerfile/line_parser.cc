#include "daemon/frontend/dockerfile/line_parser.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/location.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {
namespace {

// ONBUILD within ONBUILD is refused later; this only bounds the recursion until then.
constexpr int kMaxOnbuildNesting = 8;

// Splits `text` into words at blanks outside quotes; quotes and escapes are kept.
std::vector<std::string> SplitWords(string_view text, char escape) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  bool was_quoted = false;
  char quote = 0;
  const auto finish = [&] {
    if (in_word && (was_quoted || !word.empty())) {
      words.push_back(word);
    }
    word.clear();
    in_word = was_quoted = false;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0 && IsSpace(c)) {
      finish();
      continue;
    }
    in_word = true;
    if (c == escape && quote != '\'') {
      if (i + 1 == text.size()) {
        break;  // an escape at the very end is dropped
      }
      word += c;
      word += text[++i];
      continue;
    }
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
      was_quoted = true;
    } else if (c == quote) {
      quote = 0;
    }
    word += c;
  }
  finish();
  return words;
}

// Takes the "--flag" words off the front of `text`, quotes and escapes removed; returns the rest.
string_view TakeFlags(string_view text, char escape, std::vector<std::string>& flags) {
  size_t i = 0;
  while (true) {
    while (i < text.size() && IsSpace(text[i])) {
      ++i;
    }
    if (!absl::StartsWith(text.substr(i), "--")) {
      return text.substr(i);
    }
    std::string word;
    bool was_quoted = false;
    char quote = 0;
    for (; i < text.size() && (quote != 0 || !IsSpace(text[i])); ++i) {
      const char c = text[i];
      if (c == quote) {
        quote = 0;
      } else if (quote == 0 && (c == '\'' || c == '"')) {
        quote = c;
        was_quoted = true;
      } else if (c == escape) {
        if (++i == text.size()) {
          break;
        }
        word += text[i];
      } else {
        word += c;
      }
    }
    if (word == "--") {
      return text.substr(i);
    }
    if (was_quoted || !word.empty()) {
      flags.push_back(std::move(word));
    }
  }
}

// The strings of a JSON array; nullopt when `text` is not a well-formed array.
StatusOr<std::optional<std::vector<std::string>>> ParseJsonArray(string_view text) {
  text = absl::StripLeadingAsciiWhitespace(text);
  if (!absl::StartsWith(text, "[")) {
    return std::nullopt;
  }
  const auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_array()) {
    return std::nullopt;
  }
  std::vector<std::string> strings;
  for (const auto& element : json) {
    if (!element.is_string()) {
      return Error("when using JSON array syntax, arrays must be comprised of strings only");
    }
    strings.push_back(element);
  }
  return strings;
}

Status SplitPairs(string_view text, string_view keyword, char escape, Node& node) {
  const std::vector<std::string> words = SplitWords(text, escape);
  if (words.empty()) {
    return absl::OkStatus();
  }
  if (!absl::StrContains(words[0], "=")) {
    // The old form: name, blank, and all the rest is the value.
    const std::vector<std::string> parts = SplitBlanks(text, 2);
    if (parts.size() < 2) {
      return Error(absl::StrCat(keyword, " must have two arguments"));
    }
    node.arguments = {parts[0], parts[1], ""};
    return absl::OkStatus();
  }
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      return Error(absl::StrCat("Syntax error - can't find = in ", Quote(word),
                                ". Must be of the form: name=value"));
    }
    node.arguments.push_back(word.substr(0, equals));
    node.arguments.push_back(word.substr(equals + 1));
    node.arguments.push_back("=");
  }
  return absl::OkStatus();
}

// An array, or else the whole text as one argument.
Status ParseJsonOrString(string_view text, Node& node) {
  if (text.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::optional<std::vector<std::string>> array, ParseJsonArray(text));
  node.is_json = array.has_value();
  if (array.has_value()) {
    node.arguments.insert(node.arguments.end(), array->begin(), array->end());
  } else {
    node.arguments.emplace_back(text);
  }
  return absl::OkStatus();
}

// An array, or else words separated by blanks.
Status ParseJsonOrWords(string_view text, Node& node) {
  ASSIGN_OR_RETURN(std::optional<std::vector<std::string>> array, ParseJsonArray(text));
  node.is_json = array.has_value();
  if (array.has_value()) {
    node.arguments = *std::move(array);
  } else if (!text.empty()) {
    node.arguments = SplitBlanks(text, 0);
  }
  return absl::OkStatus();
}

Status SplitHealthcheck(string_view text, Node& node) {
  const size_t end = std::find_if(text.begin(), text.end(), IsSpace) - text.begin();
  if (end == 0) {
    return absl::OkStatus();
  }
  node.arguments.emplace_back(text.substr(0, end));
  return ParseJsonOrString(absl::StripLeadingAsciiWhitespace(text.substr(end)), node);
}

StatusOr<Node> ParseNested(string_view line, char escape, int nesting);

Status ParseArguments(string_view keyword, string_view text, char escape, int nesting, Node& node) {
  const auto is = [&](std::initializer_list<string_view> names) {
    return std::find(names.begin(), names.end(), keyword) != names.end();
  };
  if (is({"add", "copy", "volume"})) {
    return ParseJsonOrWords(text, node);
  }
  if (is({"cmd", "entrypoint", "run", "shell"})) {
    return ParseJsonOrString(text, node);
  }
  if (is({"env", "label"})) {
    return SplitPairs(text, absl::AsciiStrToUpper(keyword), escape, node);
  }
  if (keyword == "healthcheck") {
    return SplitHealthcheck(text, node);
  }
  if (keyword == "arg") {
    node.arguments = SplitWords(text, escape);
    return absl::OkStatus();
  }
  if (text.empty()) {
    return absl::OkStatus();
  }
  if (is({"expose", "from"})) {
    node.arguments = SplitBlanks(text, 0);
  } else if (is({"maintainer", "stopsignal", "user", "workdir"})) {
    node.arguments.emplace_back(text);
  } else if (keyword == "onbuild") {
    if (nesting >= kMaxOnbuildNesting) {
      return Error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    }
    ASSIGN_OR_RETURN(Node inner, ParseNested(text, escape, nesting + 1));
    node.arguments.push_back(inner.keyword);
    node.arguments.insert(node.arguments.end(), inner.arguments.begin(), inner.arguments.end());
    node.inner = std::make_shared<Node>(std::move(inner));
  }
  return absl::OkStatus();
}

StatusOr<Node> ParseNested(string_view line, char escape, int nesting) {
  Node node;
  node.original = std::string(line);
  const std::vector<std::string> parts = SplitBlanks(absl::StripAsciiWhitespace(line), 2);
  node.keyword = parts[0];
  string_view arguments;
  if (parts.size() == 2) {
    arguments = absl::StripAsciiWhitespace(TakeFlags(parts[1], escape, node.flags));
  }
  RETURN_IF_ERROR(
      ParseArguments(absl::AsciiStrToLower(node.keyword), arguments, escape, nesting, node));
  return node;
}

}  // namespace

StatusOr<Node> ParseLine(string_view line, char escape) { return ParseNested(line, escape, 0); }

}  // namespace cairn::dockerfile

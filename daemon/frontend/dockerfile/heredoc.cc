#include "daemon/frontend/dockerfile/heredoc.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/shell_lexer.h"

namespace cairn::dockerfile {
namespace {

size_t CountQuotes(string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return c == '\'' || c == '"'; });
}

}  // namespace

StatusOr<std::optional<Heredoc>> ParseHeredoc(string_view word) {
  // A file descriptor may stand before the mark.
  while (!word.empty() && absl::ascii_isdigit(word[0])) {
    word.remove_prefix(1);
  }
  if (!absl::ConsumePrefix(&word, "<<")) {
    return std::nullopt;
  }
  Heredoc heredoc;
  heredoc.strips_tabs = absl::ConsumePrefix(&word, "-");
  word = absl::StripLeadingAsciiWhitespace(word);
  if (word.empty() || word.find('<') != string_view::npos) {
    return std::nullopt;
  }
  const Environment nothing;
  ASSIGN_OR_RETURN(const LexResult plain, ExpandWord(word, nothing, {.keep_unset = true}));
  if (plain.words.size() != 1) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const LexResult raw,
                   ExpandWord(word, nothing, {.raw_quotes = true, .keep_unset = true}));
  heredoc.name = plain.words[0];
  heredoc.expands = raw.words.size() == 1 && CountQuotes(raw.words[0]) == CountQuotes(heredoc.name);
  return heredoc;
}

StatusOr<std::vector<Heredoc>> FindHeredocs(string_view line) {
  std::vector<Heredoc> heredocs;
  const StatusOr<LexResult> words = ExpandWord(
      line, Environment(), {.raw_quotes = true, .raw_escapes = true, .keep_unset = true});
  if (!words.ok()) {
    return heredocs;  // unbalanced quotes are the shell's business
  }
  for (const std::string& word : words->words) {
    ASSIGN_OR_RETURN(std::optional<Heredoc> heredoc, ParseHeredoc(word));
    if (heredoc.has_value()) {
      heredocs.push_back(*std::move(heredoc));
    }
  }
  return heredocs;
}

std::string StripLeadingTabs(string_view content) {
  std::string stripped;
  bool at_start = true;
  for (const char c : content) {
    if (!at_start || c != '\t') {
      stripped += c;
      at_start = c == '\n';
    }
  }
  return stripped;
}

}  // namespace cairn::dockerfile

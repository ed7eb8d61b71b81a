#include "daemon/frontend/dockerfile/shell_pattern.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/location.h"

namespace cairn::dockerfile {
namespace {

std::u32string Decode(string_view text) {
  std::u32string characters;
  size_t i = 0;
  while (i < text.size()) {
    const auto first = static_cast<unsigned char>(text[i]);
    size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (i + length > text.size()) {
      length = 1;
    }
    // Characters are only compared and copied, so their bytes packed together will do.
    char32_t packed = 0;
    for (size_t j = 0; j < length; ++j) {
      packed = (packed << 8) | static_cast<unsigned char>(text[i + j]);
    }
    characters += packed;
    i += length;
  }
  return characters;
}

std::string Encode(std::u32string::const_iterator begin, std::u32string::const_iterator end) {
  std::string text;
  for (; begin != end; ++begin) {
    bool started = false;
    for (int shift = 24; shift >= 0; shift -= 8) {
      const char byte = static_cast<char>(*begin >> shift);
      started = started || byte != 0 || shift == 0;
      if (started) {
        text += byte;
      }
    }
  }
  return text;
}

// Go's Regexp.Expand for an expression without groups.
std::string ExpandTemplate(string_view text, string_view match) {
  std::string out;
  while (!text.empty()) {
    const size_t dollar = text.find('$');
    absl::StrAppend(&out, text.substr(0, dollar));
    if (dollar == string_view::npos) {
      break;
    }
    text.remove_prefix(dollar + 1);
    if (!text.empty() && text[0] == '$') {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    string_view rest = text;
    const bool braced = !rest.empty() && rest[0] == '{';
    rest.remove_prefix(braced ? 1 : 0);
    const auto is_word = [](char c) { return absl::ascii_isalnum(c) || c == '_'; };
    const size_t length = std::find_if_not(rest.begin(), rest.end(), is_word) - rest.begin();
    const string_view name = rest.substr(0, length);
    rest.remove_prefix(length);
    if (name.empty() || (braced && (rest.empty() || rest[0] != '}'))) {
      out += '$';  // malformed: an ordinary dollar
      continue;
    }
    rest.remove_prefix(braced ? 1 : 0);
    if (name == "0") {
      absl::StrAppend(&out, match);
    }
    text = rest;
  }
  return out;
}

constexpr uint32_t kStarToken = 0xFFFFFFFF;
constexpr uint32_t kAnyToken = 0xFFFFFFFE;

// Matches one pattern at any place of one value.
class Matcher {
 public:
  Matcher(const std::vector<uint32_t>& tokens, const std::u32string& value)
      : tokens_(tokens), value_(value) {
    const size_t width = value.size() + 1;
    can_.assign(tokens.size() + 1, std::vector<bool>(width));
    can_[tokens.size()].assign(width, true);
    for (size_t t = tokens.size(); t-- > 0;) {
      for (size_t i = width; i-- > 0;) {
        const bool has_next = i + 1 < width;
        if (tokens[t] == kStarToken) {
          can_[t][i] = can_[t + 1][i] || (has_next && value[i] != '\n' && can_[t][i + 1]);
        } else {
          const bool fits =
              has_next && (tokens[t] == kAnyToken ? value[i] != '\n' : value[i] == tokens[t]);
          can_[t][i] = fits && can_[t + 1][i + 1];
        }
      }
    }
  }

  // End of the match that begins at `start`, or nullopt. Stars take as much as they can when
  // `greedy`, else as little.
  std::optional<size_t> MatchAt(size_t start, bool greedy) const {
    if (!can_[0][start]) {
      return std::nullopt;
    }
    size_t at = start;
    for (size_t t = 0; t < tokens_.size(); ++t) {
      if (tokens_[t] != kStarToken) {
        ++at;
        continue;
      }
      size_t chosen = at;
      for (size_t j = at; j <= value_.size(); ++j) {
        if (can_[t + 1][j]) {
          chosen = j;
          if (!greedy) {
            break;
          }
        }
        if (j == value_.size() || value_[j] == '\n') {
          break;
        }
      }
      at = chosen;
    }
    return at;
  }

 private:
  const std::vector<uint32_t>& tokens_;
  const std::u32string& value_;
  // can_[t][i]: the tokens from t on match some stretch of the value that begins at i.
  std::vector<std::vector<bool>> can_;
};

std::string TrimFront(const std::vector<uint32_t>& tokens, std::u32string value, bool greedy,
                      bool reversed) {
  const std::optional<size_t> end = Matcher(tokens, value).MatchAt(0, greedy);
  value.erase(0, end.value_or(0));
  if (reversed) {
    std::reverse(value.begin(), value.end());
  }
  return Encode(value.begin(), value.end());
}

}  // namespace

StatusOr<ShellPattern> ShellPattern::Parse(string_view pattern) {
  ShellPattern parsed;
  const std::u32string characters = Decode(pattern);
  for (size_t i = 0; i < characters.size(); ++i) {
    char32_t c = characters[i];
    if (c == '*') {
      parsed.tokens_.push_back(kStar);
      continue;
    }
    if (c == '?') {
      parsed.tokens_.push_back(kAny);
      continue;
    }
    if (c == '\\') {
      c = i + 1 < characters.size() ? characters[++i] : 0xEFBFBD;  // the replacement character
      if (c == '}' || c == '/') {
        parsed.tokens_.push_back(c);
        continue;
      }
      if (c != '*' && c != '?' && c != '\\') {
        const std::u32string escaped(1, c);
        return Error(
            absl::StrCat("invalid escape '\\", Encode(escaped.begin(), escaped.end()), "'"));
      }
    }
    parsed.tokens_.push_back(c);
  }
  return parsed;
}

std::string ShellPattern::TrimPrefix(string_view value, bool longest) const {
  return TrimFront(tokens_, Decode(value), longest, false);
}

std::string ShellPattern::TrimSuffix(string_view value, bool longest) const {
  std::u32string characters = Decode(value);
  std::reverse(characters.begin(), characters.end());
  std::vector<uint32_t> tokens = tokens_;
  std::reverse(tokens.begin(), tokens.end());
  return TrimFront(tokens, std::move(characters), longest, true);
}

std::string ShellPattern::ReplaceFirst(string_view value, string_view replacement) const {
  const std::u32string characters = Decode(value);
  const Matcher matcher(tokens_, characters);
  for (size_t i = 0; i <= characters.size(); ++i) {
    if (const std::optional<size_t> end = matcher.MatchAt(i, true)) {
      return absl::StrCat(Encode(characters.begin(), characters.begin() + i), replacement,
                          Encode(characters.begin() + *end, characters.end()));
    }
  }
  return std::string(value);
}

std::string ShellPattern::ReplaceAll(string_view value, string_view replacement) const {
  const std::u32string characters = Decode(value);
  const Matcher matcher(tokens_, characters);
  std::string out;
  size_t i = 0;
  std::optional<size_t> last_end;
  while (i <= characters.size()) {
    const std::optional<size_t> end = matcher.MatchAt(i, true);
    // An empty match right after a match does not count.
    if (end.has_value() && !(*end == i && last_end == i)) {
      const std::string match = Encode(characters.begin() + i, characters.begin() + *end);
      absl::StrAppend(&out, ExpandTemplate(replacement, match));
      last_end = end;
      if (*end > i) {
        i = *end;
        continue;
      }
    }
    if (i < characters.size()) {
      absl::StrAppend(&out, Encode(characters.begin() + i, characters.begin() + i + 1));
    }
    ++i;
  }
  return out;
}

}  // namespace cairn::dockerfile

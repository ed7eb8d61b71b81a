#include "runtime/base/go_match.h"

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace cairn {
namespace {

Status BadPattern() { return absl::InvalidArgumentError("syntax error in pattern"); }

// One UTF-8 character from the front of `text`, which is shortened; an invalid byte stands for
// itself, as a single character.
uint32_t NextCharacter(string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  uint32_t value = length == 1 ? first : first & (0xFF >> (length + 1));
  if (length > text.size()) {
    length = 1;
    value = first;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      length = 1;
      value = first;
      break;
    }
    value = (value << 6) | (byte(i) & 0x3F);
  }
  text.remove_prefix(length);
  return value;
}

// The pattern, split into steps that match one character each, or a star.
struct GlobStep {
  enum class Kind { kLiteral, kAny, kStar, kClass } kind = Kind::kLiteral;
  uint32_t literal = 0;
  bool negated = false;
  std::vector<std::pair<uint32_t, uint32_t>> ranges;

  bool Matches(uint32_t c) const {
    switch (kind) {
      case Kind::kLiteral:
        return c == literal;
      case Kind::kAny:
      case Kind::kStar:
        return c != '/';
      case Kind::kClass: {
        bool inside = false;
        for (const auto& range : ranges) {
          inside = inside || (range.first <= c && c <= range.second);
        }
        return inside != negated;
      }
    }
    return false;
  }
};

// One end of a range in a class.
StatusOr<uint32_t> ClassCharacter(string_view& pattern) {
  if (pattern.empty() || pattern[0] == '-' || pattern[0] == ']') {
    return BadPattern();
  }
  if (pattern[0] == '\\') {
    pattern.remove_prefix(1);
    if (pattern.empty()) {
      return BadPattern();
    }
  }
  const uint32_t c = NextCharacter(pattern);
  if (pattern.empty()) {
    return BadPattern();
  }
  return c;
}

// `pattern` stands after the '['.
StatusOr<GlobStep> ParseClass(string_view& pattern) {
  GlobStep step{.kind = GlobStep::Kind::kClass};
  if (!pattern.empty() && pattern[0] == '^') {
    step.negated = true;
    pattern.remove_prefix(1);
  }
  while (true) {
    if (!pattern.empty() && pattern[0] == ']' && !step.ranges.empty()) {
      pattern.remove_prefix(1);
      return step;
    }
    ASSIGN_OR_RETURN(const uint32_t low, ClassCharacter(pattern));
    uint32_t high = low;
    if (pattern[0] == '-') {
      pattern.remove_prefix(1);
      ASSIGN_OR_RETURN(high, ClassCharacter(pattern));
    }
    step.ranges.emplace_back(low, high);
  }
}

StatusOr<std::vector<GlobStep>> ParsePattern(string_view pattern) {
  std::vector<GlobStep> steps;
  while (!pattern.empty()) {
    const char c = pattern[0];
    if (c == '*') {
      pattern.remove_prefix(1);
      if (steps.empty() || steps.back().kind != GlobStep::Kind::kStar) {
        steps.push_back(GlobStep{.kind = GlobStep::Kind::kStar});
      }
    } else if (c == '?') {
      pattern.remove_prefix(1);
      steps.push_back(GlobStep{.kind = GlobStep::Kind::kAny});
    } else if (c == '[') {
      pattern.remove_prefix(1);
      ASSIGN_OR_RETURN(GlobStep step, ParseClass(pattern));
      steps.push_back(std::move(step));
    } else {
      if (c == '\\') {
        pattern.remove_prefix(1);
        if (pattern.empty()) {
          return BadPattern();
        }
      }
      steps.push_back(
          GlobStep{.kind = GlobStep::Kind::kLiteral, .literal = NextCharacter(pattern)});
    }
  }
  return steps;
}

}  // namespace

StatusOr<bool> GoMatch(string_view pattern, string_view name) {
  ASSIGN_OR_RETURN(const std::vector<GlobStep> steps, ParsePattern(pattern));
  std::vector<uint32_t> characters;
  while (!name.empty()) {
    characters.push_back(NextCharacter(name));
  }
  // Greedy with one point of return: the last star. A star never needs a second one, since all
  // steps between two stars match a fixed number of characters.
  size_t step = 0;
  size_t at = 0;
  size_t star = steps.size();
  size_t star_at = 0;
  while (at < characters.size()) {
    if (step < steps.size() && steps[step].kind == GlobStep::Kind::kStar) {
      star = step++;
      star_at = at;
    } else if (step < steps.size() && steps[step].Matches(characters[at])) {
      ++step;
      ++at;
    } else if (star < steps.size() && characters[star_at] != '/') {
      step = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (step < steps.size() && steps[step].kind == GlobStep::Kind::kStar) {
    ++step;
  }
  return step == steps.size();
}

bool HasGoWildcard(string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\') {
      ++i;
    } else if (path[i] == '*' || path[i] == '?' || path[i] == '[') {
      return true;
    }
  }
  return false;
}

std::string CleanPath(string_view path) {
  const bool rooted = !path.empty() && path[0] == '/';
  std::vector<string_view> parts;
  for (string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") {
      continue;
    }
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !rooted) {
      parts.push_back(part);
    }
  }
  std::string clean = absl::StrCat(rooted ? "/" : "", absl::StrJoin(parts, "/"));
  return clean.empty() ? "." : clean;
}

std::string JoinPath(string_view first, string_view second) {
  if (first.empty() && second.empty()) {
    return "";
  }
  if (first.empty()) {
    return CleanPath(second);
  }
  return CleanPath(absl::StrCat(first, "/", second));
}

}  // namespace cairn

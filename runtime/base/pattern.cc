#include "runtime/base/pattern.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/go_match.h"

namespace cairn {
namespace {

// A pattern is run as a small automaton over bytes: states are positions in `steps_`, several at a
// time, so that no pattern takes more than (steps x characters) time.
struct Step {
  enum class Kind {
    kByte,         // exactly this byte
    kAny,          // one character but '/'
    kStar,         // any run without '/'
    kClass,        // one character of a class
    kAll,          // any run at all ("**" at the end)
    kDirectories,  // nothing, or any run that ends in '/' ("**/")
  } kind = Kind::kByte;
  char byte = 0;
  std::string pattern_class;  // "[a-z]", for GoMatch
};

// Length in bytes of the UTF-8 character at the front of `text`.
size_t CharacterLength(string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  const size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  return std::min(length, text.size());
}

// Length of the class at the front of `text`, which begins with '['; the class is well formed.
size_t ClassLength(string_view text) {
  size_t i = 1;
  if (i < text.size() && text[i] == '^') {
    ++i;
  }
  const size_t first = i;
  while (i < text.size() && (text[i] != ']' || i == first)) {
    i += text[i] == '\\' ? 2 : 1;
  }
  return std::min(i + 1, text.size());
}

std::vector<Step> Compile(string_view pattern) {
  std::vector<Step> steps;
  while (!pattern.empty()) {
    if (absl::ConsumePrefix(&pattern, "**")) {
      absl::ConsumePrefix(&pattern, "/");
      steps.push_back(Step{.kind = pattern.empty() ? Step::Kind::kAll : Step::Kind::kDirectories});
    } else if (absl::ConsumePrefix(&pattern, "*")) {
      steps.push_back(Step{.kind = Step::Kind::kStar});
    } else if (absl::ConsumePrefix(&pattern, "?")) {
      steps.push_back(Step{.kind = Step::Kind::kAny});
    } else if (pattern[0] == '[') {
      const size_t length = ClassLength(pattern);
      steps.push_back(Step{.kind = Step::Kind::kClass,
                           .pattern_class = std::string(pattern.substr(0, length))});
      pattern.remove_prefix(length);
    } else {
      if (pattern[0] == '\\' && pattern.size() > 1) {
        pattern.remove_prefix(1);
      }
      steps.push_back(Step{.kind = Step::Kind::kByte, .byte = pattern[0]});
      pattern.remove_prefix(1);
    }
  }
  return steps;
}

// Adds `state` and what can be reached from it without a character.
void Enter(const std::vector<Step>& steps, size_t state, std::vector<bool>& states) {
  while (true) {
    states[state] = true;
    if (state == steps.size()) {
      return;
    }
    const Step::Kind kind = steps[state].kind;
    if (kind != Step::Kind::kStar && kind != Step::Kind::kAll && kind != Step::Kind::kDirectories) {
      return;
    }
    ++state;
  }
}

bool RunSteps(const std::vector<Step>& steps, string_view text) {
  // `inside[i]` is being within the run of a "**/" step i, which only a '/' may end.
  std::vector<bool> states(steps.size() + 1);
  std::vector<bool> inside(steps.size() + 1);
  Enter(steps, 0, states);
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    const string_view character = text.substr(0, length);
    std::vector<bool> next(steps.size() + 1);
    std::vector<bool> next_inside(steps.size() + 1);
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      if (step.kind == Step::Kind::kDirectories && (states[i] || inside[i])) {
        next_inside[i] = true;
        if (character == "/") {
          Enter(steps, i + 1, next);
        }
      }
      if (!states[i]) {
        continue;
      }
      if (step.kind == Step::Kind::kAll || (step.kind == Step::Kind::kStar && character != "/")) {
        Enter(steps, i, next);
      } else if (step.kind == Step::Kind::kAny && character != "/") {
        Enter(steps, i + 1, next);
      } else if (step.kind == Step::Kind::kClass &&
                 GoMatch(step.pattern_class, character).value_or(false)) {
        Enter(steps, i + 1, next);
      } else if (step.kind == Step::Kind::kByte && absl::StartsWith(text, character)) {
        // A literal character may take several steps, one a byte: run them together.
        size_t j = 0;
        while (j < length && i + j < steps.size() && steps[i + j].kind == Step::Kind::kByte &&
               steps[i + j].byte == character[j]) {
          ++j;
        }
        if (j == length) {
          Enter(steps, i + j, next);
        }
      }
    }
    states = std::move(next);
    inside = std::move(next_inside);
    text.remove_prefix(length);
  }
  return states[steps.size()];
}

}  // namespace

struct PatternMatcher::Pattern {
  std::string text;  // cleaned, without '!'
  bool is_exception = false;
  bool is_literal = false;
  std::vector<Step> steps;

  bool Matches(string_view path) const { return is_literal ? path == text : RunSteps(steps, path); }

  // Whether `path` or any of its parents matches.
  bool MatchesUpwards(string_view path) const {
    if (Matches(path)) {
      return true;
    }
    for (size_t slash = path.find('/'); slash != string_view::npos;
         slash = path.find('/', slash + 1)) {
      if (Matches(path.substr(0, slash))) {
        return true;
      }
    }
    return false;
  }
};

PatternMatcher::PatternMatcher() = default;
PatternMatcher::PatternMatcher(PatternMatcher&&) noexcept = default;
PatternMatcher& PatternMatcher::operator=(PatternMatcher&&) noexcept = default;
PatternMatcher::~PatternMatcher() = default;

StatusOr<PatternMatcher> PatternMatcher::Create(const std::vector<std::string>& patterns) {
  PatternMatcher matcher;
  for (const std::string& given : patterns) {
    const string_view trimmed = absl::StripAsciiWhitespace(given);
    if (trimmed.empty()) {
      continue;
    }
    auto pattern = std::make_unique<Pattern>();
    pattern->text = CleanPath(trimmed);
    if (pattern->text[0] == '!') {
      if (pattern->text.size() == 1) {
        return absl::InvalidArgumentError("illegal exclusion pattern: \"!\"");
      }
      pattern->is_exception = true;
      pattern->text.erase(0, 1);
      matcher.has_exceptions_ = true;
    }
    RETURN_IF_ERROR(GoMatch(pattern->text, ".").status());
    pattern->is_literal = pattern->text.find_first_of("*?[]\\") == std::string::npos;
    pattern->steps = Compile(pattern->text);
    // "**name" without a slash or further wildcards is a plain suffix: it matches "other-name" too.
    if (absl::StartsWith(pattern->text, "**") && !absl::StartsWith(pattern->text, "**/") &&
        pattern->text.find_first_of("*?[]\\", 2) == std::string::npos) {
      pattern->steps[0].kind = Step::Kind::kAll;
    }
    matcher.patterns_.push_back(std::move(pattern));
  }
  return matcher;
}

bool PatternMatcher::Matches(string_view path) const {
  bool matched = false;
  for (const auto& pattern : patterns_) {
    // An inclusion cannot change a path that is in, nor an exception one that is out.
    if (pattern->is_exception == matched && pattern->MatchesUpwards(path)) {
      matched = !pattern->is_exception;
    }
  }
  return matched;
}

bool PatternMatcher::MatchesBelow(string_view path, const Parent& parent, Parent* self) const {
  bool matched = false;
  std::vector<bool> own(patterns_.size());
  for (size_t i = 0; i < patterns_.size(); ++i) {
    const Pattern& pattern = *patterns_[i];
    bool match = i < parent.matched.size() && parent.matched[i];
    if (!match) {
      if (pattern.is_exception != matched) {
        continue;
      }
      match = parent.matched.empty() ? pattern.MatchesUpwards(path) : pattern.Matches(path);
    }
    own[i] = match;
    if (match) {
      matched = !pattern.is_exception;
    }
  }
  if (self != nullptr) {
    self->matched = std::move(own);
  }
  return matched;
}

std::vector<std::string> PatternMatcher::patterns() const {
  std::vector<std::string> texts;
  for (const auto& pattern : patterns_) {
    texts.push_back(pattern->text);
  }
  return texts;
}

std::vector<std::string> ReadIgnorePatterns(string_view text) {
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  std::vector<std::string> patterns;
  for (string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "#")) {
      continue;
    }
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) {
      continue;
    }
    const bool is_exception = absl::ConsumePrefix(&line, "!");
    line = absl::StripAsciiWhitespace(line);
    std::string pattern;
    if (!line.empty()) {
      pattern = CleanPath(line);
      if (pattern.size() > 1 && pattern[0] == '/') {
        pattern.erase(0, 1);
      }
    }
    patterns.push_back(absl::StrCat(is_exception ? "!" : "", pattern));
  }
  return patterns;
}

}  // namespace cairn

#include "daemon/frontend/dockerfile/shell_lexer.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/location.h"
#include "daemon/frontend/dockerfile/shell_pattern.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {
namespace {

// What ${} may nest before it is refused; each level is a stack frame here.
constexpr int kMaxExpansionNesting = 100;

// How large the result of an expansion may become beyond the text it was written as: a few
// instructions that double a variable would otherwise exhaust memory. Far above what a process
// accepts in its environment.
constexpr size_t kMaxGrowth = 4 << 20;

// Bound on pattern times value, and value times replacement, of ${v/p/r} and its like.
constexpr size_t kMaxSubstitution = 64 << 20;

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

// sh's special parameters: $@ $* $# and so on.
bool IsSpecialParameter(char c) { return string_view("@*#?-$!0").find(c) != string_view::npos; }

// Collects the expanded text and, beside it, the words it splits into.
class Collector {
 public:
  // Text whose blanks separate words.
  void AddSplittable(string_view text) {
    for (const char c : text) {
      if (!IsSpace(c)) {
        word_ += c;
        in_word_ = true;
      } else if (in_word_ && !word_.empty()) {
        words_.push_back(std::move(word_));
        word_.clear();
        in_word_ = false;
      }
    }
    text_.append(text.data(), text.size());
  }

  // Text that belongs to the current word, blanks and all.
  void AddWhole(string_view text) {
    word_.append(text.data(), text.size());
    in_word_ = true;
    text_.append(text.data(), text.size());
  }

  const std::string& text() const { return text_; }

  std::vector<std::string> Words() {
    if (!word_.empty()) {
      words_.push_back(std::move(word_));
    }
    return std::move(words_);
  }

 private:
  std::string text_;
  std::string word_;
  bool in_word_ = false;
  std::vector<std::string> words_;
};

class Lexer {
 public:
  Lexer(string_view input, const Environment& environment, const LexOptions& options)
      : input_(input),
        environment_(environment),
        options_(options),
        raw_escapes_(options.raw_escapes) {}

  StatusOr<LexResult> Run() {
    Collector collector;
    RETURN_IF_ERROR(Scan(std::nullopt, options_.raw_escapes, collector));
    LexResult result;
    result.text = collector.text();
    result.words = collector.Words();
    result.matched = std::move(matched_);
    result.unmatched = std::move(unmatched_);
    return result;
  }

 private:
  bool AtEnd() const { return at_ >= input_.size(); }
  bool Peeks(char c) const { return !AtEnd() && input_[at_] == c; }
  char Next() { return input_[at_++]; }

  // Reads up to and including an unquoted `stop`, or to the end of input without one.
  Status Scan(std::optional<char> stop, bool raw_escapes, Collector& out) {
    if (depth_ >= kMaxExpansionNesting) {
      return Error("syntax error: substitutions nested too deeply");
    }
    ++depth_;
    const bool outer_raw = std::exchange(raw_escapes_, raw_escapes);
    Status status = ScanInner(stop, out);
    raw_escapes_ = outer_raw;
    --depth_;
    return status;
  }

  Status CheckSize(size_t size) const {
    if (size > input_.size() + kMaxGrowth) {
      return Error(absl::StrCat("expansion is larger than ", kMaxGrowth >> 20, " MiB"));
    }
    return absl::OkStatus();
  }

  Status ScanInner(std::optional<char> stop, Collector& out) {
    while (!AtEnd()) {
      RETURN_IF_ERROR(CheckSize(out.text().size()));
      const char c = input_[at_];
      if (stop.has_value() && c == *stop) {
        ++at_;
        return absl::OkStatus();
      }
      if (c == '\'' && !options_.ignore_quotes) {
        ASSIGN_OR_RETURN(const std::string text, SingleQuoted());
        out.AddWhole(text);
      } else if (c == '"' && !options_.ignore_quotes) {
        ASSIGN_OR_RETURN(const std::string text, DoubleQuoted());
        out.AddWhole(text);
      } else if (c == '$') {
        ASSIGN_OR_RETURN(const std::string text, Dollar());
        out.AddSplittable(text);
      } else if (c == '<') {
        out.AddWhole(HeredocMark());
      } else if (c == options_.escape) {
        ++at_;
        if (raw_escapes_) {
          out.AddWhole(string_view(&c, 1));
        }
        if (AtEnd()) {
          break;
        }
        const char escaped = Next();
        out.AddWhole(string_view(&escaped, 1));
      } else {
        ++at_;
        out.AddSplittable(string_view(&c, 1));
      }
    }
    if (stop.has_value()) {
      return Error(absl::StrCat("unexpected end of statement while looking for matching ",
                                std::string(1, *stop)));
    }
    return absl::OkStatus();
  }

  StatusOr<std::string> SingleQuoted() {
    std::string text;
    const char quote = Next();
    if (options_.raw_quotes) {
      text += quote;
    }
    while (!AtEnd()) {
      const char c = Next();
      if (c == '\'') {
        if (options_.raw_quotes) {
          text += c;
        }
        return text;
      }
      text += c;
    }
    return Error("unexpected end of statement while looking for matching single-quote");
  }

  StatusOr<std::string> DoubleQuoted() {
    std::string text;
    const char quote = Next();
    if (options_.raw_quotes) {
      text += quote;
    }
    while (!AtEnd()) {
      if (Peeks('$')) {
        ASSIGN_OR_RETURN(const std::string value, Dollar());
        text += value;
        RETURN_IF_ERROR(CheckSize(text.size()));
        continue;
      }
      char c = Next();
      if (c == '"') {
        if (options_.raw_quotes) {
          text += c;
        }
        return text;
      }
      if (c == options_.escape) {
        if (raw_escapes_) {
          text += c;
        }
        if (AtEnd()) {
          continue;
        }
        // Only these can be escaped here; before anything else the escape character stays.
        if (Peeks('"') || Peeks('$') || Peeks(options_.escape)) {
          c = Next();
        }
      }
      text += c;
    }
    return Error("unexpected end of statement while looking for matching double-quote");
  }

  // "<<" keeps the blanks after it, so that "<< EOF" is one word.
  std::string HeredocMark() {
    std::string text(1, Next());
    if (!Peeks('<')) {
      return text;
    }
    text += Next();
    while (Peeks(' ') || Peeks('\t') || Peeks('\r')) {
      text += Next();
    }
    return text;
  }

  std::string Name() {
    std::string name;
    if (!AtEnd() && absl::ascii_isdigit(input_[at_])) {
      while (!AtEnd() && absl::ascii_isdigit(input_[at_])) {
        name += Next();
      }
      return name;
    }
    if (!AtEnd() && IsSpecialParameter(input_[at_])) {
      return std::string(1, Next());
    }
    while (!AtEnd() && IsNameCharacter(input_[at_])) {
      name += Next();
    }
    return name;
  }

  std::optional<std::string> Value(const std::string& name) {
    std::optional<std::string> value = environment_.Get(name);
    (value.has_value() ? matched_ : unmatched_).insert(name);
    return value;
  }

  StatusOr<std::string> Dollar() {
    ++at_;
    if (!Peeks('{')) {
      const std::string name = Name();
      if (name.empty()) {
        return std::string("$");
      }
      const std::optional<std::string> value = Value(name);
      if (!value.has_value() && options_.keep_unset) {
        return absl::StrCat("$", name);
      }
      return value.value_or("");
    }
    ++at_;
    if (AtEnd()) {
      return Error("syntax error: missing '}'");
    }
    if (Peeks('{') || Peeks('}') || Peeks(':')) {
      return Error("syntax error: bad substitution");
    }
    const std::string name = Name();
    if (AtEnd()) {
      return Unsupported("\xEF\xBF\xBD");
    }
    const char modifier = Next();
    switch (modifier) {
      case '}': {
        const std::optional<std::string> value = Value(name);
        if (!value.has_value() && options_.keep_unset) {
          return absl::StrCat("${", name, "}");
        }
        return value.value_or("");
      }
      case ':':
        return Conditional(name, AtEnd() ? '\0' : Next(), true);
      case '+':
      case '-':
      case '?':
        return Conditional(name, modifier, false);
      case '#':
      case '%':
        return Trimmed(name, modifier);
      case '/':
        return Replaced(name);
      default:
        return Unsupported(string_view(&modifier, 1));
    }
  }

  static Status Unsupported(string_view modifier) {
    return Error(absl::StrCat("unsupported modifier (", modifier, ") in substitution"));
  }

  // The part of a ${} up to `stop`; an end of input is reported as `missing`.
  StatusOr<std::string> Part(char stop, bool raw_escapes, string_view missing) {
    Collector collector;
    const Status status = Scan(stop, raw_escapes, collector);
    if (!status.ok()) {
      return AtEnd() ? Error(missing) : status;
    }
    return collector.text();
  }

  StatusOr<std::string> Conditional(const std::string& name, char modifier, bool null_is_unset) {
    const std::string text = absl::StrCat(null_is_unset ? ":" : "", std::string(1, modifier));
    if (modifier == '#' || modifier == '%') {
      return Unsupported(text);
    }
    ASSIGN_OR_RETURN(const std::string word, Part('}', false, "syntax error: missing '}'"));
    const std::optional<std::string> value = Value(name);
    if (!value.has_value() && options_.keep_unset) {
      return absl::StrCat("${", name, text, word, "}");
    }
    const bool absent = !value.has_value() || (null_is_unset && value->empty());
    switch (modifier) {
      case '-':
        return absent ? word : *value;
      case '+':
        return absent ? std::string() : word;
      case '?':
        if (absent) {
          const string_view reason =
              value.has_value() ? "is not allowed to be empty" : "is not allowed to be unset";
          return Error(absl::StrCat(name, ": ", word.empty() ? reason : string_view(word)));
        }
        return *value;
      default:
        return Unsupported(text);
    }
  }

  static Status CheckProduct(size_t a, size_t b) {
    if ((a + 1) > kMaxSubstitution / (b + 1)) {
      return Error("substitution is too large");
    }
    return absl::OkStatus();
  }

  static Status InvalidPattern(string_view pattern, const Status& cause) {
    return Error(
        absl::StrCat("invalid pattern (", pattern, ") in substitution: ", cause.message()));
  }

  StatusOr<std::string> Trimmed(const std::string& name, char modifier) {
    ASSIGN_OR_RETURN(std::string word, Part('}', true, "syntax error: missing '}'"));
    const std::optional<std::string> value = Value(name);
    if (!value.has_value() && options_.keep_unset) {
      return absl::StrCat("${", name, std::string(1, modifier), word, "}");
    }
    const bool longest = !word.empty() && word[0] == modifier;
    if (longest) {
      word.erase(0, 1);
    }
    const StatusOr<ShellPattern> pattern = ShellPattern::Parse(word);
    if (!pattern.ok()) {
      return InvalidPattern(word, pattern.status());
    }
    RETURN_IF_ERROR(CheckProduct(word.size(), value.value_or("").size()));
    return modifier == '#' ? pattern->TrimPrefix(value.value_or(""), longest)
                           : pattern->TrimSuffix(value.value_or(""), longest);
  }

  StatusOr<std::string> Replaced(const std::string& name) {
    const bool all = Peeks('/');
    at_ += all ? 1 : 0;
    ASSIGN_OR_RETURN(const std::string text, Part('/', true, "syntax error: missing '/' in ${}"));
    ASSIGN_OR_RETURN(const std::string replacement, Part('}', true, "syntax error: missing '}'"));
    const std::optional<std::string> value = Value(name);
    if (!value.has_value() && options_.keep_unset) {
      return absl::StrCat("${", name, "/", text, "/", replacement, "}");
    }
    const StatusOr<ShellPattern> pattern = ShellPattern::Parse(text);
    if (!pattern.ok()) {
      return InvalidPattern(text, pattern.status());
    }
    RETURN_IF_ERROR(CheckProduct(text.size(), value.value_or("").size()));
    RETURN_IF_ERROR(CheckProduct(replacement.size(), value.value_or("").size()));
    return all ? pattern->ReplaceAll(value.value_or(""), replacement)
               : pattern->ReplaceFirst(value.value_or(""), replacement);
  }

  const string_view input_;
  const Environment& environment_;
  const LexOptions& options_;
  bool raw_escapes_;
  size_t at_ = 0;
  int depth_ = 0;
  std::set<std::string> matched_;
  std::set<std::string> unmatched_;
};

}  // namespace

StatusOr<LexResult> ExpandWord(string_view word, const Environment& environment,
                               const LexOptions& options) {
  StatusOr<LexResult> result = Lexer(word, environment, options).Run();
  if (!result.ok()) {
    return WithMessage(result.status(), absl::StrCat("failed to process ", Quote(word), ": ",
                                                     result.status().message()));
  }
  return result;
}

}  // namespace cairn::dockerfile

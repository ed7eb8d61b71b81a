#include "daemon/frontend/dockerfile/parser.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/directives.h"
#include "daemon/frontend/dockerfile/line_parser.h"

namespace cairn::dockerfile {
namespace {

// What a line may have, its end included. BuildKit reads no longer ones, so that nothing depends on
// them.
constexpr size_t kMaxLine = 65536;

// The lines at the front of `text` that are not too long.
string_view ReadableLines(string_view text) {
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    const size_t next = end == string_view::npos ? text.size() : end + 1;
    if (next - begin > kMaxLine - (end == string_view::npos ? 1 : 0)) {
      break;
    }
    begin = next;
  }
  return text.substr(0, begin);
}

string_view WithoutLineEnd(string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
    line.remove_suffix(1);
  }
  return line;
}

bool IsComment(string_view line) {
  return absl::StartsWith(absl::StripLeadingAsciiWhitespace(line), "#");
}

// Removes an escape character, and blanks after it, from the end of `line`. It continues the line
// unless another escape character stands before it.
bool TakeContinuation(string_view& line, char escape) {
  string_view trimmed = line;
  while (!trimmed.empty() && (trimmed.back() == ' ' || trimmed.back() == '\t')) {
    trimmed.remove_suffix(1);
  }
  if (trimmed.empty() || trimmed.back() != escape) {
    return false;
  }
  trimmed.remove_suffix(1);
  if (!trimmed.empty() && trimmed.back() == escape) {
    return false;
  }
  line = trimmed;
  return true;
}

bool MayHaveHeredoc(const Node& node) {
  const Node& inner = node.inner != nullptr ? *node.inner : node;
  const std::string keyword = absl::AsciiStrToLower(inner.keyword);
  return (keyword == "add" || keyword == "copy" || keyword == "run") && !inner.is_json;
}

class Parser {
 public:
  explicit Parser(string_view text)
      : rest_(ReadableLines(text)), has_long_line_(rest_.size() < text.size()) {
    absl::ConsumePrefix(&rest_, "\xEF\xBB\xBF");
  }

  StatusOr<ParsedFile> Run() {
    while (!rest_.empty()) {
      RETURN_IF_ERROR(ParseNext());
    }
    if (file_.nodes.empty()) {
      return WithLocation(Error("file with no instructions"), LineRanges(line_number_, 0));
    }
    if (has_long_line_) {
      return WithLocation(
          Error(absl::StrCat("dockerfile line greater than max allowed size of ", kMaxLine - 1)),
          LineRanges(line_number_, 0));
    }
    return std::move(file_);
  }

 private:
  // The next line with its line end.
  string_view NextLine() {
    const size_t end = rest_.find('\n');
    const string_view line = rest_.substr(0, end == string_view::npos ? end : end + 1);
    rest_.remove_prefix(line.size());
    return line;
  }

  // Reads one line and, when it begins an instruction, the lines that belong to it.
  Status ParseNext() {
    string_view raw = NextLine();
    string_view line = absl::StripLeadingAsciiWhitespace(WithoutLineEnd(raw));
    RETURN_IF_ERROR(HandleComment(raw, line));
    ++line_number_;
    if (IsComment(line)) {
      return absl::OkStatus();
    }
    const int start = line_number_;
    bool continues = TakeContinuation(line, file_.escape);
    if (!continues && line.empty()) {
      return absl::OkStatus();
    }
    std::string logical(line);
    bool has_empty_line = false;
    while (continues && !rest_.empty()) {
      string_view next = WithoutLineEnd(NextLine());
      ++line_number_;
      if (IsComment(next)) {
        continue;
      }
      if (absl::StripLeadingAsciiWhitespace(next).empty()) {
        has_empty_line = true;
        continue;
      }
      continues = TakeContinuation(next, file_.escape);
      absl::StrAppend(&logical, next);
    }
    if (has_empty_line) {
      file_.empty_continuations.push_back(Range{{line_number_, 0}, {line_number_, 0}});
    }
    return AddNode(logical, start);
  }

  // Gathers comments for the next instruction, and takes directives.
  Status HandleComment(string_view raw, string_view line) {
    if (IsComment(raw)) {
      const string_view comment = absl::StripAsciiWhitespace(raw.substr(1));
      if (comment.empty()) {
        comments_.clear();
      } else {
        comments_.emplace_back(comment);
      }
    }
    const StatusOr<std::optional<Directive>> directive = directives_.Read(line);
    Status status = directive.status();
    if (status.ok() && directive->has_value()) {
      if (!comments_.empty()) {
        comments_.pop_back();
      }
      if ((*directive)->name == "escape") {
        const std::string& value = (*directive)->value;
        if (value != "`" && value != "\\") {
          status = Error(absl::StrCat("invalid escape token '", value, "' does not match ` or \\"));
        } else {
          file_.escape = value[0];
        }
      }
    }
    return WithLocation(status, LineRanges(line_number_, 0));
  }

  Status AddNode(const std::string& logical, int start) {
    StatusOr<Node> node = ParseLine(logical, file_.escape);
    if (!node.ok()) {
      return WithLocation(node.status(), LineRanges(start, line_number_));
    }
    if (MayHaveHeredoc(*node) && absl::StrContains(logical, "<<")) {
      const Status status = ReadHeredocs(logical, *node);
      RETURN_IF_ERROR(WithLocation(status, LineRanges(start, line_number_)));
    }
    node->comments = std::exchange(comments_, {});
    node->start_line = start;
    node->end_line = line_number_;
    file_.nodes.push_back(*std::move(node));
    return absl::OkStatus();
  }

  Status ReadHeredocs(const std::string& logical, Node& node) {
    ASSIGN_OR_RETURN(std::vector<Heredoc> heredocs, FindHeredocs(logical));
    for (Heredoc& heredoc : heredocs) {
      bool terminated = false;
      while (!rest_.empty() && !terminated) {
        const string_view line = NextLine();
        ++line_number_;
        string_view candidate = WithoutLineEnd(line);
        while (heredoc.strips_tabs && absl::ConsumePrefix(&candidate, "\t")) {
        }
        terminated = candidate == heredoc.name;
        if (!terminated) {
          absl::StrAppend(&heredoc.content, line);
        }
      }
      if (!terminated) {
        return Error("unterminated heredoc");
      }
      node.heredocs.push_back(std::move(heredoc));
    }
    return absl::OkStatus();
  }

  string_view rest_;
  const bool has_long_line_;
  ParsedFile file_;
  DirectiveReader directives_;
  std::vector<std::string> comments_;
  int line_number_ = 0;
};

}  // namespace

StatusOr<ParsedFile> ParseFile(string_view text) { return Parser(text).Run(); }

}  // namespace cairn::dockerfile

#include "daemon/frontend/dockerfile/linter.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/frontend/dockerfile/directives.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {
namespace {

std::set<std::string> RuleSet(string_view list) {
  std::set<std::string> rules;
  for (const string_view rule : absl::StrSplit(list, ',')) {
    rules.emplace(absl::StripAsciiWhitespace(rule));
  }
  return rules;
}

}  // namespace

StatusOr<LintOptions> LintOptions::Parse(string_view text) {
  LintOptions options;
  text = absl::StripAsciiWhitespace(text);
  if (text.empty()) {
    return options;
  }
  const std::vector<string_view> parts = absl::StrSplit(text, absl::MaxSplits(';', 2));
  for (const string_view part : parts) {
    const size_t equals = part.find('=');
    if (equals == string_view::npos) {
      return Error(absl::StrCat("invalid check option ", Quote(part)));
    }
    const string_view key = absl::StripAsciiWhitespace(part.substr(0, equals));
    const string_view value = absl::StripAsciiWhitespace(part.substr(equals + 1));
    if (key == "skip") {
      options.skip_all = value == "all";
      options.skipped = options.skip_all ? std::set<std::string>() : RuleSet(value);
    } else if (key == "experimental") {
      options.experimental_all = value == "all";
      options.experimental = options.experimental_all ? std::set<std::string>() : RuleSet(value);
    } else if (key == "error") {
      const StatusOr<bool> is_error = ParseBool(value);
      if (!is_error.ok()) {
        return Error(absl::StrCat("failed to parse check option ", Quote(part), ": ",
                                  is_error.status().message()));
      }
      options.is_error = *is_error;
    } else {
      return Error(absl::StrCat("invalid check option ", Quote(key)));
    }
  }
  return options;
}

Linter::Linter(LintOptions options, Sink sink)
    : options_(std::move(options)), shared_(std::make_shared<Shared>()) {
  shared_->sink = std::move(sink);
}

void Linter::Report(const LintRule& rule, const Ranges& location, string_view message) const {
  if (shared_ == nullptr) {
    return;
  }
  const bool is_on = rule.is_experimental
                         ? options_.experimental_all || options_.experimental.count(rule.name) > 0
                         : !options_.skip_all && options_.skipped.count(rule.name) == 0;
  if (!is_on) {
    return;
  }
  shared_->violated.insert(rule.name);
  if (shared_->sink) {
    shared_->sink(LintWarning{&rule, std::string(message), location});
  }
}

Linter Linter::WithComments(const std::vector<std::string>& comments) const {
  for (const std::string& comment : comments) {
    const StatusOr<std::optional<Directive>> directive = DirectiveReader("").Read(comment);
    if (!directive.ok() || !directive->has_value() || (*directive)->name != "check") {
      continue;
    }
    const std::string& value = (*directive)->value;
    const StatusOr<LintOptions> extra = LintOptions::Parse(value.substr(0, value.find(' ')));
    if (!extra.ok()) {
      return *this;
    }
    Linter merged = *this;
    merged.options_.skip_all |= extra->skip_all;
    merged.options_.skipped.insert(extra->skipped.begin(), extra->skipped.end());
    merged.options_.experimental_all |= extra->experimental_all;
    merged.options_.experimental.insert(extra->experimental.begin(), extra->experimental.end());
    return merged;
  }
  return *this;
}

Status Linter::Result() const {
  if (shared_ == nullptr || !options_.is_error || shared_->violated.empty()) {
    return absl::OkStatus();
  }
  return Error(
      absl::StrCat("lint violation found for rules: ", absl::StrJoin(shared_->violated, ", ")));
}

}  // namespace cairn::dockerfile

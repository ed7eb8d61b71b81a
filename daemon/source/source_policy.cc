#include "daemon/source/source_policy.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "cache/registry/reference.h"

namespace cairn::source {
namespace {

namespace policy = moby::buildkit::v1::sourcepolicy;

// A source that is rewritten more often than this goes in circles.
constexpr int kMaxPasses = 21;
constexpr char kImageScheme[] = "docker-image://";

StatusOr<std::shared_ptr<const RE2>> Compile(const std::string& expression) {
  RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<const RE2>(expression, options);
  if (!compiled->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid regex \"", expression, "\": ", compiled->error()));
  }
  return compiled;
}

StatusOr<std::shared_ptr<const RE2>> CompileSelector(const policy::Selector& selector) {
  switch (selector.match_type()) {
    case policy::EXACT:
      return std::shared_ptr<const RE2>();
    case policy::REGEX:
      return Compile(selector.identifier());
    case policy::WILDCARD:
      if (absl::StrContains(selector.identifier(), "**")) {
        return absl::InvalidArgumentError(absl::StrCat("failed to translate wildcard \"",
                                                       selector.identifier(),
                                                       "\": invalid wildcard: \"**\""));
      }
      return Compile(absl::StrCat(
          "(?s)^", absl::StrReplaceAll(RE2::QuoteMeta(selector.identifier()), {{"\\*", "(.*)"}}),
          "$"));
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("unknown match type: ", static_cast<int>(selector.match_type())));
  }
}

// What "$name" or "${name}" at the start of `text` stands for; nullopt when it is no such thing.
// Consumes it.
std::optional<std::string> TakeGroupName(string_view* text) {
  string_view rest = text->substr(1);
  const bool braces = absl::ConsumePrefix(&rest, "{");
  size_t length = 0;
  while (length < rest.size() &&
         (absl::ascii_isalnum(static_cast<unsigned char>(rest[length])) || rest[length] == '_')) {
    ++length;
  }
  std::string name(rest.substr(0, length));
  rest.remove_prefix(length);
  if (name.empty() || (braces && !absl::ConsumePrefix(&rest, "}"))) {
    return std::nullopt;
  }
  *text = rest;
  return name;
}

// The text of a group by number or name; "" for one that does not exist, as Go has it.
std::string GroupText(const RE2& expression, const std::vector<re2::StringPiece>& groups,
                      const std::string& name) {
  int index = -1;
  if (absl::c_all_of(name, [](char c) { return c >= '0' && c <= '9'; }) && name.size() < 5) {
    index = std::stoi(name);
  } else if (const auto found = expression.NamedCapturingGroups().find(name);
             found != expression.NamedCapturingGroups().end()) {
    index = found->second;
  }
  return index >= 0 && static_cast<size_t>(index) < groups.size() ? groups[index].ToString() : "";
}

std::string Expand(const RE2& expression, const std::vector<re2::StringPiece>& groups,
                   string_view format) {
  std::string out;
  while (!format.empty()) {
    const size_t dollar = std::min(format.find('$'), format.size());
    absl::StrAppend(&out, format.substr(0, dollar));
    format.remove_prefix(dollar);
    if (format.empty()) {
      break;
    }
    if (absl::ConsumePrefix(&format, "$$")) {
      out.push_back('$');
    } else if (const auto name = TakeGroupName(&format); name.has_value()) {
      absl::StrAppend(&out, GroupText(expression, groups, *name));
    } else {
      out.push_back('$');
      format.remove_prefix(1);
    }
  }
  return out;
}

// `text` with every match of `expression` replaced.
std::string ReplaceAll(const RE2& expression, const std::string& text, string_view format) {
  std::vector<re2::StringPiece> groups(1 + expression.NumberOfCapturingGroups());
  std::string out;
  size_t from = 0;
  while (from <= text.size() && expression.Match(text, from, text.size(), RE2::UNANCHORED,
                                                 groups.data(), static_cast<int>(groups.size()))) {
    const size_t at = groups[0].data() - text.data();
    absl::StrAppend(&out, string_view(text).substr(from, at - from),
                    Expand(expression, groups, format));
    from = at + groups[0].size();
    if (groups[0].empty()) {
      // An empty match lets one character pass.
      out.append(text, from, 1);
      ++from;
    }
  }
  if (from < text.size()) {
    out.append(text, from);
  }
  return out;
}

}  // namespace

struct SourcePolicy::Rule {
  struct Constraint {
    policy::AttrConstraint attribute;
    std::shared_ptr<const RE2> expression;  // of MATCHES
  };

  policy::Rule rule;
  std::shared_ptr<const RE2> expression;  // null for an exact identifier
  std::vector<Constraint> constraints;

  static StatusOr<Rule> Create(const policy::Rule& rule) {
    if (!rule.has_selector()) {
      return absl::InvalidArgumentError("invalid nil selector in policy");
    }
    Rule out{.rule = rule};
    ASSIGN_OR_RETURN(out.expression, CompileSelector(rule.selector()));
    for (const policy::AttrConstraint& attribute : rule.selector().constraints()) {
      Constraint constraint{.attribute = attribute};
      if (attribute.condition() == policy::MATCHES) {
        ASSIGN_OR_RETURN(constraint.expression, Compile(attribute.value()));
      } else if (attribute.condition() != policy::EQUAL &&
                 attribute.condition() != policy::NOTEQUAL) {
        return absl::InvalidArgumentError(
            absl::StrCat("unknown attr condition: ", static_cast<int>(attribute.condition())));
      }
      out.constraints.push_back(std::move(constraint));
    }
    return out;
  }

  bool Matches(const pb::SourceOp& source) const {
    for (const Constraint& constraint : constraints) {
      const auto found = source.attrs().find(constraint.attribute.key());
      const std::string value = found == source.attrs().end() ? "" : found->second;
      const bool holds = constraint.expression != nullptr
                             ? RE2::PartialMatch(value, *constraint.expression)
                             : (value == constraint.attribute.value()) ==
                                   (constraint.attribute.condition() == policy::EQUAL);
      if (!holds) {
        return false;
      }
    }
    return source.identifier() == rule.selector().identifier() ||
           (expression != nullptr && RE2::PartialMatch(source.identifier(), *expression));
  }

  // The identifier that CONVERT makes of `identifier`.
  std::string Converted(const std::string& identifier) const {
    const std::string& format = rule.updates().identifier().empty() ? rule.selector().identifier()
                                                                    : rule.updates().identifier();
    if (expression == nullptr) {
      return format;
    }
    // A selector that is equal to the identifier need not match it as an expression.
    if (rule.selector().match_type() == policy::WILDCARD &&
        !RE2::PartialMatch(identifier, *expression)) {
      return identifier;
    }
    return ReplaceAll(*expression, identifier, format);
  }

  StatusOr<bool> Convert(pb::SourceOp* source) const {
    if (!rule.has_updates()) {
      return absl::InvalidArgumentError(
          "error mutating source policy: missing destination for convert rule");
    }
    bool changed = false;
    std::string identifier = Converted(source->identifier());
    if (!identifier.empty() && identifier != source->identifier()) {
      source->set_identifier(std::move(identifier));
      changed = true;
    }
    for (const auto& [key, value] : rule.updates().attrs()) {
      std::string& attribute = (*source->mutable_attrs())[key];
      changed = changed || attribute != value;
      attribute = value;
    }
    return changed;
  }
};

SourcePolicy::SourcePolicy() = default;
SourcePolicy::~SourcePolicy() = default;

StatusOr<std::shared_ptr<const SourcePolicy>> SourcePolicy::Create(
    const std::vector<policy::Policy>& policies) {
  std::shared_ptr<SourcePolicy> out(new SourcePolicy());
  for (const policy::Policy& each : policies) {
    RuleSet rules;
    for (const policy::Rule& rule : each.rules()) {
      ASSIGN_OR_RETURN(Rule made, Rule::Create(rule));
      rules.push_back(std::move(made));
    }
    if (!rules.empty()) {
      out->policies_.push_back(std::move(rules));
    }
  }
  return out;
}

StatusOr<bool> SourcePolicy::ApplyOnce(const RuleSet& rules, pb::SourceOp* source) {
  bool denied = false;
  for (const Rule& rule : rules) {
    if (!rule.Matches(*source)) {
      continue;
    }
    switch (rule.rule.action()) {
      case policy::ALLOW:
        denied = false;
        break;
      case policy::DENY:
        denied = true;
        break;
      case policy::CONVERT: {
        ASSIGN_OR_RETURN(const bool changed, rule.Convert(source));
        if (changed) {
          return true;
        }
        break;
      }
      default:
        return absl::InvalidArgumentError(absl::StrCat(
            "source policy: rule ", static_cast<int>(rule.rule.action()), " ",
            rule.rule.selector().identifier(), ": unknown type \"", source->identifier(), "\""));
    }
  }
  if (denied) {
    return absl::PermissionDeniedError(absl::StrCat(
        "source \"", source->identifier(), "\" denied by policy: source denied by policy"));
  }
  return false;
}

StatusOr<bool> SourcePolicy::Apply(pb::SourceOp* source) const {
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    bool changed = false;
    for (const RuleSet& rules : policies_) {
      ASSIGN_OR_RETURN(changed, ApplyOnce(rules, source));
      if (changed) {
        break;
      }
    }
    if (!changed) {
      return pass > 0;
    }
  }
  return absl::InvalidArgumentError("too many mutations on a single source: too many operations");
}

std::string NormalizedSource(const std::string& identifier) {
  string_view reference = identifier;
  if (!absl::ConsumePrefix(&reference, kImageScheme)) {
    return identifier;
  }
  const auto parsed = registry::ImageReference::Parse(reference);
  return parsed.ok() ? absl::StrCat(kImageScheme, parsed->ToString()) : identifier;
}

}  // namespace cairn::source

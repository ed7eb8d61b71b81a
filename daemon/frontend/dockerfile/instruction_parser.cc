#include "daemon/frontend/dockerfile/instruction_parser.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "daemon/frontend/dockerfile/command_parsers.h"
#include "daemon/frontend/dockerfile/flags.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {
namespace {

bool IsValidStageName(string_view name) {
  return !name.empty() && absl::ascii_islower(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_' ||
                  c == '.';
         });
}

StatusOr<std::string> StageName(const std::vector<std::string>& arguments) {
  if (arguments.size() == 3 && absl::EqualsIgnoreCase(arguments[1], "as")) {
    const std::string name = absl::AsciiStrToLower(arguments[2]);
    if (!IsValidStageName(name)) {
      return Error(absl::StrCat("invalid name for build stage: ", Quote(arguments[2]),
                                ", name can't start with a number or contain symbols"));
    }
    return name;
  }
  if (arguments.size() != 1) {
    return Error("FROM requires either one or three arguments");
  }
  return std::string();
}

void LintFrom(const Node& node, const Linter& linter) {
  const std::vector<std::string>& arguments = node.arguments;
  if (arguments.size() == 3 && arguments[2] != absl::AsciiStrToLower(arguments[2])) {
    linter.Report(kStageNameCasing, node.location(),
                  absl::StrCat("Stage name '", arguments[2], "' should be lowercase"));
  }
  if (arguments.size() < 3) {
    return;
  }
  // A FROM of mixed case is reported by another rule.
  const bool is_lower = node.keyword == absl::AsciiStrToLower(node.keyword);
  const bool is_upper = node.keyword == absl::AsciiStrToUpper(node.keyword);
  const bool matches = is_lower   ? arguments[1] == absl::AsciiStrToLower(arguments[1])
                       : is_upper ? arguments[1] == absl::AsciiStrToUpper(arguments[1])
                                  : true;
  if (!matches) {
    linter.Report(kFromAsCasing, node.location(),
                  absl::StrCat("'", arguments[1], "' and '", node.keyword,
                               "' keywords' casing do not match"));
  }
}

// The comment right before a definition should begin with its name.
void LintDescription(string_view instruction, const std::vector<std::string>& keys,
                     const Node& node, const Linter& linter) {
  if (node.comments.empty() || keys.empty()) {
    return;
  }
  const std::string& comment = node.comments.back();
  const std::string first = comment.substr(0, comment.find(' '));
  if (std::find(keys.begin(), keys.end(), first) != keys.end()) {
    return;
  }
  linter.Report(kInvalidDefinitionDescription, node.location(),
                absl::StrCat("Comment for ", instruction, " should follow the format: `# ",
                             keys.size() > 1 ? "<arg_key>" : keys[0], " <description>`"));
}

StatusOr<Stage> ParseFrom(const Node& node, const Linter& linter) {
  LintFrom(node, linter);
  Stage stage;
  ASSIGN_OR_RETURN(stage.name, StageName(node.arguments));
  Flags flags({{"platform", FlagKind::kString}});
  RETURN_IF_ERROR(flags.Parse(node.flags));
  stage.keyword = node.keyword;
  stage.base = node.arguments[0];
  stage.platform = flags.Value("platform");
  stage.code = std::string(absl::StripAsciiWhitespace(node.original));
  stage.location = node.location();
  stage.comments = node.comments;
  stage.description = DescriptionOf(stage.name, node.comments);
  if (!stage.name.empty()) {
    LintDescription("FROM", {stage.name}, node, linter);
  }
  return stage;
}

using Parsed = std::variant<Stage, Command>;

StatusOr<Parsed> ParseNode(const Node& node, const Linter& base_linter) {
  const Linter linter = base_linter.WithComments(node.comments);
  const std::string keyword = absl::AsciiStrToLower(node.keyword);
  if (keyword == "from") {
    ASSIGN_OR_RETURN(Stage stage, ParseFrom(node, linter));
    return stage;
  }
  if (keyword == "maintainer") {
    linter.Report(kMaintainerDeprecated, node.location(),
                  "Maintainer instruction is deprecated in favor of using label");
  }
  ASSIGN_OR_RETURN(CommandBody body, ParseCommandBody(keyword, node));
  if (const auto* arg = std::get_if<ArgCommand>(&body)) {
    std::vector<std::string> keys;
    for (const ArgDefinition& definition : arg->args) {
      keys.push_back(definition.key);
    }
    LintDescription("ARG", keys, node, linter);
  }
  return Command{.keyword = node.keyword,
                 .code = std::string(absl::StripAsciiWhitespace(node.original)),
                 .location = node.location(),
                 .comments = node.comments,
                 .body = std::move(body)};
}

}  // namespace

StatusOr<Instructions> ParseInstructions(const std::vector<Node>& nodes, const Linter& linter) {
  Instructions instructions;
  for (const Node& node : nodes) {
    StatusOr<Parsed> parsed = ParseNode(node, linter);
    if (!parsed.ok()) {
      const Status located = WithLocation(parsed.status(), node.location());
      return WithMessage(located, absl::StrFormat("dockerfile parse error on line %d: %s",
                                                  node.start_line, std::string(located.message())));
    }
    if (auto* stage = std::get_if<Stage>(&*parsed)) {
      instructions.stages.push_back(std::move(*stage));
      continue;
    }
    Command& command = std::get<Command>(*parsed);
    if (!instructions.stages.empty()) {
      instructions.stages.back().commands.push_back(std::move(command));
    } else if (std::holds_alternative<ArgCommand>(command.body)) {
      instructions.global_args.push_back(std::move(command));
    } else {
      return WithLocation(Error("no build stage in current context"), node.location());
    }
  }
  return instructions;
}

StatusOr<Command> ParseCommand(const Node& node) {
  StatusOr<Parsed> parsed = ParseNode(node, Linter());
  if (!parsed.ok()) {
    return WithLocation(parsed.status(), node.location());
  }
  if (auto* command = std::get_if<Command>(&*parsed)) {
    return std::move(*command);
  }
  return WithLocation(Error("FROM is not a command type"), node.location());
}

}  // namespace cairn::dockerfile

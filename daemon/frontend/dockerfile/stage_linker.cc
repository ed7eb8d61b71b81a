#include "daemon/frontend/dockerfile/stage_linker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/instruction_parser.h"
#include "daemon/frontend/dockerfile/lint_checks.h"
#include "daemon/frontend/dockerfile/parser.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {
namespace {

std::unique_ptr<StageState> UnregisteredStage(const std::string& base, const Ranges& location) {
  auto stage = std::make_unique<StageState>();
  stage->stage.base = base;
  stage->stage.location = location;
  stage->is_unregistered = true;
  return stage;
}

// Names that a FROM line may refer to: supplied and declared arguments.
std::vector<std::string> KnownArgs(const DispatchContext& context,
                                   const std::map<std::string, OutlineCapture::Arg>& args) {
  std::vector<std::string> known = context.global_args.Names();
  for (const auto& arg : args) {
    known.push_back(arg.first);
  }
  return known;
}

Status SuggestAny(Status status, const std::set<std::string>& names,
                  const std::vector<std::string>& options) {
  for (const std::string& name : names) {
    if (!Suggest(name, options, true).empty()) {
      return WithSuggestion(status, name, options, true);
    }
  }
  return status;
}

// The platform of FROM --platform.
StatusOr<Platform> StagePlatform(const DispatchContext& context, const Stage& stage,
                                 const std::vector<std::string>& known, const Linter& linter,
                                 std::set<std::string>& used) {
  const StatusOr<LexResult> result = ExpandWord(stage.platform, context.global_args, context.lex);
  if (!result.ok()) {
    return Annotate(result.status(), "failed to process arguments for platform ");
  }
  CheckFromArgs(result->unmatched, known, stage.location, linter);
  CheckFromPlatform(stage, *result, context.global_args, linter);
  if (result->text.empty()) {
    return SuggestAny(Error(absl::StrCat("empty platform value from expression ", stage.platform)),
                      result->unmatched, context.global_args.Names());
  }
  const StatusOr<Platform> platform = Platform::Parse(result->text);
  if (!platform.ok()) {
    const Status cause = SuggestAny(Error(platform.status().message()), result->unmatched,
                                    context.global_args.Names());
    return Annotate(cause, absl::StrCat("failed to parse platform ", stage.platform));
  }
  used.insert(result->matched.begin(), result->matched.end());
  return platform;
}

// Instructions that make a vertex of their own, the base image included.
int CountSteps(const StageState& stage) {
  int total = stage.stage.base != "scratch" && stage.base == nullptr ? 1 : 0;
  for (const Command& command : stage.stage.commands) {
    const bool is_step = std::holds_alternative<AddCommand>(command.body) ||
                         std::holds_alternative<CopyCommand>(command.body) ||
                         std::holds_alternative<RunCommand>(command.body) ||
                         std::holds_alternative<WorkdirCommand>(command.body);
    total += is_step ? 1 : 0;
  }
  return total;
}

Status BuildStage(const DispatchContext& context,
                  const std::map<std::string, OutlineCapture::Arg>& args,
                  const std::vector<std::string>& known, const Stage& stage, size_t index,
                  StageGraph& graph) {
  const Linter linter = context.linter.WithComments(stage.comments);
  if (!IsUtf8(stage.code)) {
    return Error("FROM uses text that is not valid UTF-8");
  }
  const StatusOr<LexResult> name = ExpandWord(stage.base, context.global_args, context.lex);
  RETURN_IF_ERROR(name.status());
  CheckFromArgs(name->unmatched, known, stage.location, linter);
  if (name->text.empty()) {
    return Error(absl::StrCat("base name (", stage.base, ") should not be blank"));
  }
  auto state = std::make_unique<StageState>();
  state->stage = stage;
  state->stage.base = name->text;
  state->display_name = stage.name;
  state->outline.args = args;
  std::set<std::string> used = name->matched;
  if (!stage.platform.empty()) {
    ASSIGN_OR_RETURN(state->platform, StagePlatform(context, stage, known, linter, used));
  }
  ContextSource* contexts = context.options.contexts;
  if (!stage.name.empty() && stage.name != "scratch" && stage.name != "context" &&
      contexts != nullptr &&
      contexts->HasNamedContext(stage.name, state->platform.value_or(context.target_platform))) {
    state->has_named_context = true;
    StageState* added = graph.Add(std::move(state));
    added->base = nullptr;  // whatever the file says
    added->stage.commands.clear();
    return absl::OkStatus();
  }
  if (stage.name.empty()) {
    state->display_name = absl::StrCat("stage-", index);
  }
  StageState* added = graph.Add(std::move(state));
  added->outline.used_args.insert(used.begin(), used.end());
  added->command_total = CountSteps(*added);
  added->ignores_cache = context.options.build.IgnoresCache(stage.name);
  return absl::OkStatus();
}

// The stage that COPY --from=`from` means.
StatusOr<StageState*> CopySource(const std::string& from, const Ranges& location, StageGraph& graph,
                                 std::vector<std::unique_ptr<StageState>>& added) {
  ASSIGN_OR_RETURN(const LexResult expanded, ExpandWord(from, Environment()));
  if (expanded.text != from) {
    return Error(
        "variable expansion is not supported for --from, define a new stage with FROM using ARG "
        "from global scope as a workaround");
  }
  int64_t index = 0;
  if (absl::SimpleAtoi(from, &index)) {
    return graph.FindByIndex(index);
  }
  if (StageState* stage = graph.FindByName(from)) {
    return stage;
  }
  added.push_back(UnregisteredStage(from, location));
  return added.back().get();
}

// Binds `command` to its sources. New stages go to `added`, since adding them to the graph while it
// is walked would count them as stages of the file.
StatusOr<StageCommand> Bind(const Command& command, StageGraph& graph,
                            std::vector<std::unique_ptr<StageState>>& added) {
  StageCommand bound{.command = command, .sources = {}, .is_onbuild = false};
  if (const auto* copy = std::get_if<CopyCommand>(&command.body)) {
    if (!copy->from.empty()) {
      ASSIGN_OR_RETURN(StageState* const source,
                       CopySource(copy->from, command.location, graph, added));
      bound.sources.push_back(source);
    }
  } else if (const auto* run = std::get_if<RunCommand>(&command.body)) {
    for (const std::string& text : run->mounts) {
      ASSIGN_OR_RETURN(const RunMount mount, ParseMount(text, nullptr));
      const std::string from = mount.from.empty() ? "scratch" : mount.from;
      StageState* source = graph.FindByName(from);
      if (source == nullptr) {
        added.push_back(UnregisteredStage(from, {}));
        source = added.back().get();
      }
      bound.sources.push_back(source);
    }
  }
  return bound;
}

// Binds `commands` into `bound`, remembering what `stage` depends on.
Status BindAll(const std::vector<Command>& commands, StageState& stage, StageGraph& graph,
               std::vector<StageCommand>& bound) {
  for (const Command& command : commands) {
    std::vector<std::unique_ptr<StageState>> added;
    ASSIGN_OR_RETURN(StageCommand entry, Bind(command, graph, added));
    for (StageState* source : entry.sources) {
      stage.dependencies.emplace_back(source, command.location);
    }
    for (std::unique_ptr<StageState>& unregistered : added) {
      graph.Add(std::move(unregistered));
    }
    bound.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

// The instruction of an ONBUILD trigger, placed on the lines of the FROM it comes with.
StatusOr<Command> ParseTrigger(const std::string& text, const Ranges& location) {
  ASSIGN_OR_RETURN(ParsedFile file, ParseFile(text));
  if (file.nodes.size() != 1) {
    return Error("onbuild trigger should be a single expression");
  }
  Node& node = file.nodes[0];
  if (!location.empty()) {
    node.start_line = location.front().start.line;
    node.end_line = location.back().end.line;
  }
  return ParseCommand(node);
}

void AddOutline(StageState& stage, std::set<StageState*>& visited, Outline& outline) {
  if (!visited.insert(&stage).second) {
    return;
  }
  stage.outline.CloseUsedArgs();
  for (const std::string& name : stage.outline.used_args) {
    const auto found = stage.outline.args.find(name);
    const bool is_known = std::any_of(outline.args.begin(), outline.args.end(),
                                      [&](const OutlineArg& arg) { return arg.name == name; });
    if (found != stage.outline.args.end() && !is_known) {
      outline.args.push_back(OutlineArg{
          name, found->second.value, found->second.definition.description, found->second.location});
    }
  }
  const auto add = [](const std::map<std::string, OutlineMount>& from,
                      std::vector<OutlineMount>& to) {
    for (const auto& [name, mount] : from) {
      const std::string& wanted = name;
      if (std::none_of(to.begin(), to.end(),
                       [&](const OutlineMount& known) { return known.name == wanted; })) {
        to.push_back(mount);
      }
    }
  };
  add(stage.outline.secrets, outline.secrets);
  add(stage.outline.ssh, outline.ssh);
  if (stage.base != nullptr) {
    AddOutline(*stage.base, visited, outline);
  }
  for (const auto& dependency : stage.dependencies) {
    AddOutline(*dependency.first, visited, outline);
  }
}

template <typename T>
void SortByLine(std::vector<T>& entries) {
  const auto line = [](const T& entry) {
    return entry.location.empty() ? 0 : entry.location.front().start.line;
  };
  std::stable_sort(entries.begin(), entries.end(),
                   [&](const T& a, const T& b) { return line(a) < line(b); });
}

}  // namespace

Status BuildStages(const DispatchContext& context,
                   const std::map<std::string, OutlineCapture::Arg>& args,
                   const std::vector<Stage>& stages, StageGraph& graph) {
  const std::vector<std::string> known = KnownArgs(context, args);
  for (size_t i = 0; i < stages.size(); ++i) {
    RETURN_IF_ERROR(
        WithLocation(BuildStage(context, args, known, stages[i], i, graph), stages[i].location));
  }
  return absl::OkStatus();
}

Status LinkStages(StageGraph& graph) {
  std::vector<StageState*> stages;
  for (const auto& stage : graph.stages()) {
    stages.push_back(stage.get());
  }
  for (StageState* stage : stages) {
    RETURN_IF_ERROR(BindAll(stage->stage.commands, *stage, graph, stage->commands));
  }
  RETURN_IF_ERROR(graph.CheckCycles());
  if (graph.stages().size() == 1) {
    graph.stages()[0]->display_name.clear();
  }
  return absl::OkStatus();
}

StatusOr<bool> AddTriggers(const DispatchContext&, const std::set<StageState*>& needed,
                           StageGraph& graph) {
  bool found_sources = false;
  // In file order, so that equal files give equal graphs.
  std::vector<StageState*> stages;
  for (const auto& stage : graph.stages()) {
    if (needed.count(stage.get()) > 0) {
      stages.push_back(stage.get());
    }
  }
  for (StageState* stage : stages) {
    std::vector<std::string> triggers;
    if (stage->base == nullptr && !stage->is_unregistered) {
      triggers = std::exchange(stage->image.on_build, {});
    } else if (stage->base != nullptr && !stage->has_onbuild) {
      stage->has_onbuild = true;
      for (const StageCommand& entry : stage->base->commands) {
        if (const auto* onbuild = std::get_if<OnbuildCommand>(&entry.command.body)) {
          triggers.push_back(onbuild->expression);
        }
      }
    }
    if (triggers.empty()) {
      continue;
    }
    std::vector<Command> commands;
    for (const std::string& trigger : triggers) {
      StatusOr<Command> command = ParseTrigger(trigger, stage->stage.location);
      if (!command.ok()) {
        return SetLocation(command.status(), stage->stage.location);
      }
      commands.push_back(*std::move(command));
    }
    std::vector<StageCommand> bound;
    const Status status = BindAll(commands, *stage, graph, bound);
    RETURN_IF_ERROR(SetLocation(status, stage->stage.location));
    for (StageCommand& entry : bound) {
      entry.is_onbuild = true;
      found_sources = found_sources || !entry.sources.empty();
    }
    stage->command_total += static_cast<int>(bound.size());
    stage->commands.insert(stage->commands.begin(), std::make_move_iterator(bound.begin()),
                           std::make_move_iterator(bound.end()));
  }
  return found_sources;
}

Outline MakeOutline(StageState& target) {
  Outline outline;
  outline.name = target.stage.name;
  outline.description = target.stage.description;
  std::set<StageState*> visited;
  AddOutline(target, visited, outline);
  SortByLine(outline.args);
  SortByLine(outline.secrets);
  SortByLine(outline.ssh);
  return outline;
}

}  // namespace cairn::dockerfile

#include "daemon/frontend/dockerfile/converter.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/frontend/dockerfile/base_images.h"
#include "daemon/frontend/dockerfile/directives.h"
#include "daemon/frontend/dockerfile/dispatch.h"
#include "daemon/frontend/dockerfile/global_args.h"
#include "daemon/frontend/dockerfile/instruction_parser.h"
#include "daemon/frontend/dockerfile/lint_checks.h"
#include "daemon/frontend/dockerfile/parser.h"
#include "daemon/frontend/dockerfile/source_epoch.h"
#include "daemon/frontend/dockerfile/sources.h"
#include "daemon/frontend/dockerfile/stage_linker.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {
namespace {

constexpr char kEpochArg[] = "SOURCE_DATE_EPOCH";
constexpr size_t kMaxResolvers = 16;

// What all ops and history entries may hold together. Real files stay below a megabyte; a hostile
// one repeats a large variable in every instruction.
constexpr size_t kMaxConverted = 64 << 20;

StatusOr<Linter> MakeLinter(string_view dockerfile, const ConvertOptions& options) {
  if (options.build.lint.has_value()) {
    return Linter(*options.build.lint, options.warn);
  }
  ASSIGN_OR_RETURN_IN(const LintOptions lint,
                      LintOptions::Parse(FindDirective(dockerfile, "check").value_or("")),
                      "failed to parse check options");
  return Linter(lint, options.warn);
}

// The proxies that build arguments name; they reach RUN without being part of its key.
std::optional<pb::ProxyEnv> ProxyOf(const std::map<std::string, std::string>& build_args) {
  pb::ProxyEnv proxy;
  bool is_set = false;
  for (const auto& argument : build_args) {
    const std::string name = absl::AsciiStrToLower(argument.first);
    const auto set = [&](void (pb::ProxyEnv::*field)(const std::string&)) {
      (proxy.*field)(argument.second);
      is_set = true;
    };
    if (name == "http_proxy") set(&pb::ProxyEnv::set_http_proxy);
    if (name == "https_proxy") set(&pb::ProxyEnv::set_https_proxy);
    if (name == "ftp_proxy") set(&pb::ProxyEnv::set_ftp_proxy);
    if (name == "no_proxy") set(&pb::ProxyEnv::set_no_proxy);
    if (name == "all_proxy") set(&pb::ProxyEnv::set_all_proxy);
  }
  return is_set ? std::optional<pb::ProxyEnv>(proxy) : std::nullopt;
}

// The default PATH when `image` has none. Windows knows its own.
void AddDefaultPath(const Platform& platform, ImageConfig& image) {
  if (platform.os != "windows" && !Environment::FromList(image.env).Has("PATH")) {
    image.env.push_back(absl::StrCat("PATH=", kDefaultPath));
  }
}

// Value of a BUILDKIT_SBOM_SCAN_* argument: a boolean, or the stages it is for.
bool IsOnForStage(const std::string& value, const std::string& stage) {
  const StatusOr<bool> parsed = ParseBool(value);
  if (parsed.ok()) {
    return *parsed;
  }
  const std::vector<std::string> names = absl::StrSplit(value, ',');
  return std::find(names.begin(), names.end(), stage) != names.end();
}

bool ScanArg(const std::string& name, const Environment& global_args, const StageState& stage) {
  bool is_on = false;
  if (const auto value = global_args.Get(name)) {
    is_on = IsOnForStage(*value, stage.display_name);
  }
  for (const ArgDefinition& arg : stage.build_args) {
    if (arg.key == name && arg.value.has_value()) {
      is_on = IsOnForStage(*arg.value, stage.display_name);
    }
  }
  return is_on;
}

class Conversion {
 public:
  Conversion(string_view dockerfile, const ConvertOptions& options)
      : dockerfile_(dockerfile), options_(options), context_{.options = options_} {}

  StatusOr<Converted> Run() {
    RETURN_IF_ERROR(Parse());
    RETURN_IF_ERROR(SetUpArgs());
    RETURN_IF_ERROR(BuildStages(context_, outline_args_, stages_, graph_));
    ASSIGN_OR_RETURN(StageState* const target, FindTarget());
    RETURN_IF_ERROR(LinkStages(graph_));
    RETURN_IF_ERROR(ResolveBases(target));
    RETURN_IF_ERROR(DispatchStages(target));
    RETURN_IF_ERROR(context_.linter.Result());
    return Finish(target);
  }

 private:
  Status Parse() {
    if (dockerfile_.empty()) {
      return Error("the Dockerfile cannot be empty");
    }
    ASSIGN_OR_RETURN(context_.linter, MakeLinter(dockerfile_, options_));
    ASSIGN_OR_RETURN(const ParsedFile file, ParseFile(dockerfile_));
    for (const Range& range : file.empty_continuations) {
      context_.linter.Report(kNoEmptyContinuation, {range}, "Empty continuation line");
    }
    ASSIGN_OR_RETURN(Instructions instructions, ParseInstructions(file.nodes, context_.linter));
    if (instructions.stages.empty()) {
      return Error("dockerfile contains no stages to build");
    }
    stages_ = std::move(instructions.stages);
    global_commands_ = std::move(instructions.global_args);
    context_.lex.escape = file.escape;
    CheckStageNames(stages_, context_.linter);
    CheckKeywordCasing(stages_, context_.linter);
    return absl::OkStatus();
  }

  // Global arguments, with the platform's and the epoch.
  Status SetUpArgs() {
    context_.implicit_target = !options_.target_platform.has_value();
    context_.target_platform = options_.target_platform.value_or(options_.build_platforms.front());
    const std::string target =
        options_.build.target.empty() ? stages_.back().name : options_.build.target;
    const Environment platform_args =
        PlatformArgs(options_.build_platforms.front(), context_.target_platform,
                     options_.build.build_args, target);
    const StatusOr<GlobalArgs> defaults =
        EvaluateGlobalArgs(platform_args, global_commands_, {}, context_.lex);
    if (defaults.ok()) {
      CheckDefaultBaseNames(stages_, defaults->values, context_.lex, context_.linter);
    }
    ASSIGN_OR_RETURN(GlobalArgs args, EvaluateGlobalArgs(platform_args, global_commands_,
                                                         options_.build.build_args, context_.lex));
    context_.global_args = std::move(args.values);
    outline_args_ = std::move(args.definitions);
    RETURN_IF_ERROR(SetUpEpoch());
    context_.proxy = ProxyOf(options_.build.build_args);
    return absl::OkStatus();
  }

  Status SetUpEpoch() {
    std::map<std::string, std::string>& given = options_.build.build_args;
    const auto argument = given.find(kEpochArg);
    const std::string value = argument != given.end()
                                  ? argument->second
                                  : context_.global_args.Get(kEpochArg).value_or("");
    if (value.empty() && argument == given.end()) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(context_.epoch,
                     ResolveEpoch(value, options_, stages_, context_.global_args, context_.lex));
    // Instructions see the time, not the name of the source it was taken from.
    if (!context_.epoch.has_value()) {
      given.erase(kEpochArg);
      context_.global_args.Remove(kEpochArg);
      return absl::OkStatus();
    }
    const std::string seconds = absl::StrCat(absl::ToUnixSeconds(*context_.epoch));
    if (argument != given.end()) {
      argument->second = seconds;
    }
    if (context_.global_args.Has(kEpochArg)) {
      context_.global_args.Set(kEpochArg, seconds);
    }
    return absl::OkStatus();
  }

  StatusOr<StageState*> FindTarget() const {
    const std::string& name = options_.build.target;
    if (name.empty()) {
      return graph_.stages().back().get();
    }
    if (StageState* stage = graph_.FindByName(name)) {
      return stage;
    }
    return WithSuggestion(Error(absl::StrCat("target stage ", Quote(name), " could not be found")),
                          name, graph_.DisplayNames(), true);
  }

  // Looks base images up; triggers of a base image may need further ones.
  Status ResolveBases(StageState* target) {
    while (true) {
      std::set<StageState*> needed = StageGraph::Reachable(target);
      if (options_.all_stages) {
        for (const auto& stage : graph_.stages()) {
          needed.insert(stage.get());
        }
      }
      RETURN_IF_ERROR(ResolveNeeded(needed));
      ASSIGN_OR_RETURN(const bool found_more, AddTriggers(context_, needed, graph_));
      if (!found_more) {
        reachable_ = std::move(needed);
        return absl::OkStatus();
      }
    }
  }

  Status ResolveNeeded(const std::set<StageState*>& needed) {
    std::vector<StageState*> open;
    for (const auto& stage : graph_.stages()) {
      if (stage->base != nullptr || stage->is_dispatched || stage->is_resolved ||
          needed.count(stage.get()) == 0) {
        continue;
      }
      stage->is_resolved = true;
      if (stage->stage.base == "scratch" && !stage->has_named_context) {
        StartFromScratch(context_, *stage);
      } else {
        open.push_back(stage.get());
      }
    }
    const std::vector<std::string> names = graph_.DisplayNames();
    std::vector<std::string> written;
    for (const StageState* stage : open) {
      written.push_back(stage->stage.base);
    }
    std::vector<Status> results(open.size());
    for (size_t begin = 0; begin < open.size(); begin += kMaxResolvers) {
      const size_t end = std::min(open.size(), begin + kMaxResolvers);
      std::vector<std::thread> threads;  // joined right below
      for (size_t i = begin + 1; i < end; ++i) {
        threads.emplace_back([&, i] { results[i] = ResolveBase(context_, names, *open[i]); });
      }
      results[begin] = ResolveBase(context_, names, *open[begin]);
      for (std::thread& thread : threads) {
        thread.join();
      }
    }
    for (size_t i = 0; i < open.size(); ++i) {
      RETURN_IF_ERROR(results[i]);
      if (open[i]->base_image.has_value() && open[i]->platform.has_value()) {
        CheckBaseImagePlatform(written[i], *open[i]->platform, open[i]->image.platform,
                               open[i]->stage.location, context_.linter);
      }
    }
    return absl::OkStatus();
  }

  Status DispatchStages(StageState* target) {
    if (options_.contexts != nullptr) {
      ASSIGN_OR_RETURN(const std::vector<std::string> patterns,
                       options_.contexts->IgnorePatterns());
      if (!patterns.empty()) {
        ASSIGN_OR_RETURN(context_.ignore, PatternMatcher::Create(patterns));
      }
      ASSIGN_OR_RETURN(context_.build_context, options_.contexts->MainContext());
    } else {
      context_.build_context.output = LocalSource("context", {.shared_key_hint = "context"});
      context_.build_context.output.node->SetName("[internal] load build context");
      context_.build_context.local = context_.build_context.output.node;
    }
    for (const auto& stage : graph_.stages()) {
      if (!stage->is_dispatched && reachable_.count(stage.get()) > 0) {
        RETURN_IF_ERROR(DispatchStage(*stage));
      }
    }
    // The target is exported whole.
    target->paths->insert("/");
    return absl::OkStatus();
  }

  // Counts what was made of the file so far.
  Status Charge(size_t bytes) {
    converted_bytes_ += bytes;
    if (converted_bytes_ > kMaxConverted) {
      return Error(
          absl::StrCat("the Dockerfile expands to more than ", kMaxConverted >> 20, " MiB"));
    }
    return absl::OkStatus();
  }

  static size_t HistoryBytes(const ImageConfig& image) {
    size_t total = 0;
    for (const HistoryEntry& entry : image.history) {
      total += entry.created_by.size();
    }
    return total;
  }

  Status DispatchStage(StageState& stage) {
    stage.InheritFromBase();
    RETURN_IF_ERROR(Charge(stage.environment.bytes() + HistoryBytes(stage.image)));
    stage.is_dispatched = true;
    if (!stage.platform.has_value()) {
      stage.platform = context_.target_platform;
    }
    AddDefaultPath(*stage.platform, stage.image);
    const Environment image_env = Environment::FromList(stage.image.env);
    for (const auto& [name, value] : image_env.entries()) {
      stage.environment.Set(name, value);
    }
    if (!stage.image.working_dir.empty()) {
      DispatchBaseWorkdir(stage);
    }
    if (!stage.image.user.empty()) {
      stage.user = stage.image.user;
    }
    for (StageCommand& command : stage.commands) {
      Status status = DispatchCommand(context_, stage, command);
      if (status.ok() && !stage.image.history.empty()) {
        status = Charge(stage.environment.bytes() + stage.image.history.back().created_by.size());
      }
      RETURN_IF_ERROR(WithLocation(status, command.command.location));
    }
    context_paths_.insert(stage.context_paths.begin(), stage.context_paths.end());
    stage.scans_context = ScanArg("BUILDKIT_SBOM_SCAN_CONTEXT", context_.global_args, stage);
    stage.scans_stage = ScanArg("BUILDKIT_SBOM_SCAN_STAGE", context_.global_args, stage);
    return absl::OkStatus();
  }

  StatusOr<Converted> Finish(StageState* target) {
    if (context_.build_context.local != nullptr) {
      SetFollowPaths(*context_.build_context.local, {context_paths_.begin(), context_paths_.end()});
    }
    for (const auto& stage : graph_.stages()) {
      if (stage->base == nullptr && stage->local != nullptr) {
        SetFollowPaths(*stage->local, {stage->paths->begin(), stage->paths->end()});
      }
    }
    for (const auto& [key, value] : options_.build.labels) {
      target->image.labels[key] = value;
    }
    SetTargetPlatform(target->image);
    Converted converted;
    converted.output = target->output;
    converted.base_image = target->base_image;
    converted.epoch = context_.epoch;
    converted.ignores_cache = target->ignores_cache;
    if (target->scans_context) {
      converted.scan_extras["context"] = context_.build_context.output;
    }
    for (StageState* stage : StageGraph::Reachable(target)) {
      if (stage != target && stage->scans_stage) {
        converted.scan_extras[stage->display_name] = stage->output;
        converted.ignores_cache = converted.ignores_cache || stage->ignores_cache;
      }
    }
    converted.outline = MakeOutline(*target);
    converted.image = std::move(target->image);
    return converted;
  }

  // The config says what was asked for, even when the base image is of another platform.
  void SetTargetPlatform(ImageConfig& image) const {
    const Platform& target = context_.target_platform;
    if (!context_.implicit_target) {
      const bool is_same =
          target.os == image.platform.os && target.architecture == image.platform.architecture;
      image.platform.os = target.os;
      image.platform.architecture = target.architecture;
      if (!target.variant.empty() || !is_same) {
        image.platform.variant = target.variant;
      }
      if (!target.os_version.empty() || !is_same) {
        image.platform.os_version = target.os_version;
      }
      if (!target.os_features.empty()) {
        image.platform.os_features = target.os_features;
      }
    }
    image.platform = image.platform.Normalized();
  }

  const string_view dockerfile_;
  ConvertOptions options_;
  DispatchContext context_;
  std::vector<Stage> stages_;
  std::vector<Command> global_commands_;
  std::map<std::string, OutlineCapture::Arg> outline_args_;
  StageGraph graph_;
  std::set<StageState*> reachable_;
  std::set<std::string> context_paths_;
  size_t converted_bytes_ = 0;
};

}  // namespace

StatusOr<Converted> Convert(string_view dockerfile, const ConvertOptions& options) {
  return Conversion(dockerfile, options).Run();
}

}  // namespace cairn::dockerfile

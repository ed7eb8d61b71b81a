#include "daemon/frontend/dockerfile/source_epoch.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/git_reference.h"
#include "daemon/frontend/dockerfile/location.h"
#include "daemon/frontend/dockerfile/sources.h"

namespace cairn::dockerfile {
namespace {

StatusOr<std::string> ExpandText(const std::string& text, const Environment& environment,
                                 const LexOptions& lex) {
  ASSIGN_OR_RETURN(const LexResult result, ExpandWord(text, environment, lex));
  return result.text;
}

// The source of an ADD of one URL or repository.
StatusOr<llb::Output> RemoteSource(const AddCommand& add, const Environment& environment,
                                   const LexOptions& lex) {
  if (!add.sources.inline_files.empty() || add.sources.paths.size() != 1) {
    return Error("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD source");
  }
  ASSIGN_OR_RETURN(const std::string source, ExpandText(add.sources.paths[0], environment, lex));
  ASSIGN_OR_RETURN(const std::string checksum, ExpandText(add.checksum, environment, lex));
  if (IsHttpSource(source)) {
    return HttpSource(source, UrlFileName(source), checksum);
  }
  ASSIGN_OR_RETURN(std::optional<GitReference> git, GitReference::Parse(source));
  if (!git.has_value() || git->may_be_local) {
    return Error("SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD");
  }
  git->keep_git_dir = add.keep_git_dir.value_or(false) || git->keep_git_dir.value_or(false);
  if (!checksum.empty()) {
    git->checksum = checksum;
  }
  return GitSource(*git);
}

// The one remote source of a stage that is nothing else.
StatusOr<llb::Output> StageSource(const Stage& stage, const ConvertOptions& options,
                                  Environment environment, const LexOptions& lex) {
  const StatusOr<std::string> base = ExpandText(stage.base, environment, lex);
  if (!base.ok() || *base != "scratch") {
    return Error("SOURCE_DATE_EPOCH stage must use FROM scratch");
  }
  std::optional<llb::Output> source;
  for (const Command& command : stage.commands) {
    if (const auto* arg = std::get_if<ArgCommand>(&command.body)) {
      for (const ArgDefinition& definition : arg->args) {
        const auto given = options.build.build_args.find(definition.key);
        if (given != options.build.build_args.end()) {
          environment.Set(definition.key, given->second);
        } else if (definition.value.has_value()) {
          ASSIGN_OR_RETURN(const std::string value,
                           ExpandText(*definition.value, environment, lex));
          environment.Set(definition.key, value);
        }
      }
    } else if (const auto* add = std::get_if<AddCommand>(&command.body)) {
      if (source.has_value()) {
        return Error("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD");
      }
      ASSIGN_OR_RETURN(source, RemoteSource(*add, environment, lex));
    } else {
      return Error(absl::StrCat(
          "SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported ",
          command.keyword, " instruction"));
    }
  }
  if (!source.has_value()) {
    return Error("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD");
  }
  return *source;
}

}  // namespace

StatusOr<std::optional<absl::Time>> ResolveEpoch(const std::string& value,
                                                 const ConvertOptions& options,
                                                 const std::vector<Stage>& stages,
                                                 const Environment& global_args,
                                                 const LexOptions& lex) {
  if (value.empty()) {
    return std::nullopt;
  }
  int64_t seconds = 0;
  if (absl::SimpleAtoi(value, &seconds)) {
    return absl::FromUnixSeconds(seconds);
  }
  ContextSource* contexts = options.contexts;
  if (value == "context") {
    if (contexts == nullptr) {
      return std::nullopt;
    }
    ASSIGN_OR_RETURN(const ContextState main, contexts->MainContext());
    return contexts->SourceTime(main.output, "[internal] resolve main build context metadata");
  }
  const Platform platform = options.target_platform.value_or(options.build_platforms.front());
  if (contexts != nullptr && contexts->HasNamedContext(value, platform)) {
    ASSIGN_OR_RETURN(const std::optional<ContextState> named,
                     contexts->NamedContext(value, platform));
    if (named.has_value()) {
      return contexts->SourceTime(
          named->output,
          absl::StrCat("[internal] resolve SOURCE_DATE_EPOCH named context ", value));
    }
  }
  for (const Stage& stage : stages) {
    if (stage.name.empty() || !absl::EqualsIgnoreCase(stage.name, value)) {
      continue;
    }
    Environment environment = global_args;
    environment.Remove("SOURCE_DATE_EPOCH");
    const StatusOr<llb::Output> source = StageSource(stage, options, environment, lex);
    if (!source.ok()) {
      return WithLocation(source.status(), stage.location);
    }
    if (contexts == nullptr) {
      return std::nullopt;
    }
    return contexts->SourceTime(
        *source, absl::StrCat("[internal] resolve SOURCE_DATE_EPOCH source stage ", stage.name));
  }
  return Error(absl::StrCat("invalid SOURCE_DATE_EPOCH: ", value));
}

}  // namespace cairn::dockerfile

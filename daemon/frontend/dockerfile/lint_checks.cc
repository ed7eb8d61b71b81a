#include "daemon/frontend/dockerfile/lint_checks.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/frontend/dockerfile/image_reference.h"
#include "daemon/frontend/dockerfile/text.h"
#include "runtime/base/go_match.h"

namespace cairn::dockerfile {
namespace {

bool IsLower(const std::string& text) { return text == absl::AsciiStrToLower(text); }
bool IsUpper(const std::string& text) { return text == absl::AsciiStrToUpper(text); }

void CheckCasing(const std::string& keyword, bool wants_lower, const Ranges& location,
                 const Linter& linter) {
  if (wants_lower ? IsLower(keyword) : IsUpper(keyword)) {
    return;
  }
  linter.Report(
      kConsistentInstructionCasing, location,
      absl::StrCat("Command '", keyword, "' should match the case of the command majority (",
                   wants_lower ? "lowercase" : "uppercase", ")"));
}

// Whether one of `words` is in `key`, delimited by '_' or its ends. A word may itself contain '_'.
bool ContainsWord(const std::string& key, std::initializer_list<const char*> words) {
  const std::string padded = absl::StrCat("_", absl::AsciiStrToLower(key), "_");
  return std::any_of(words.begin(), words.end(), [&](const char* word) {
    return absl::StrContains(padded, absl::StrCat("_", word, "_"));
  });
}

}  // namespace

void CheckStageNames(const std::vector<Stage>& stages, const Linter& linter) {
  std::set<std::string> seen;
  for (const Stage& stage : stages) {
    if (stage.name.empty()) {
      continue;
    }
    if (stage.name == "context" || stage.name == "scratch") {
      linter.Report(kReservedStageName, stage.location,
                    absl::StrCat("Stage name should not use the same name as reserved stage ",
                                 Quote(stage.name)));
    }
    if (!seen.insert(stage.name).second) {
      linter.Report(kDuplicateStageName, stage.location,
                    absl::StrCat("Duplicate stage name ", Quote(stage.name),
                                 ", stage names should be unique"));
    }
  }
}

void CheckKeywordCasing(const std::vector<Stage>& stages, const Linter& linter) {
  int lower = 0;
  int upper = 0;
  const auto count = [&](const std::string& keyword) {
    lower += IsLower(keyword) ? 1 : 0;
    upper += !IsLower(keyword) && IsUpper(keyword) ? 1 : 0;
  };
  for (const Stage& stage : stages) {
    count(stage.keyword);
    for (const Command& command : stage.commands) {
      count(command.keyword);
    }
  }
  for (const Stage& stage : stages) {
    CheckCasing(stage.keyword, lower > upper, stage.location, linter);
    for (const Command& command : stage.commands) {
      CheckCasing(command.keyword, lower > upper, command.location, linter);
    }
  }
}

void CheckFromArgs(const std::set<std::string>& unmatched, const std::vector<std::string>& known,
                   const Ranges& location, const Linter& linter) {
  for (const std::string& name : unmatched) {
    if (std::find(known.begin(), known.end(), name) != known.end()) {
      continue;
    }
    const std::string near = Suggest(name, known, true);
    linter.Report(kUndefinedArgInFrom, location,
                  absl::StrCat("FROM argument '", name, "' is not declared",
                               near.empty() ? "" : absl::StrCat(" (did you mean ", near, "?)")));
  }
}

void CheckFromPlatform(const Stage& stage, const LexResult& result, const Environment& global_args,
                       const Linter& linter) {
  if (result.matched == std::set<std::string>{"TARGETPLATFORM"} && result.unmatched.empty() &&
      result.text == global_args.Get("TARGETPLATFORM")) {
    linter.Report(kRedundantTargetPlatform, stage.location,
                  absl::StrCat("Setting platform to predefined ", stage.platform,
                               " in FROM is redundant as this is the default behavior"));
  }
  if (!result.matched.empty() || !result.unmatched.empty()) {
    return;
  }
  const StatusOr<Platform> platform = Platform::Parse(result.text);
  if (!platform.ok() || absl::StrContains(stage.name, platform->os) ||
      absl::StrContains(stage.name, platform->architecture)) {
    return;
  }
  linter.Report(
      kFromPlatformFlagConstDisallowed, stage.location,
      absl::StrCat("FROM --platform flag should not use constant value ", Quote(result.text)));
}

void CheckBaseImagePlatform(const std::string& name, const Platform& expected,
                            const Platform& actual, const Ranges& location, const Linter& linter) {
  if (expected.os == actual.os && expected.architecture == actual.architecture) {
    return;
  }
  linter.Report(kInvalidBaseImagePlatform, location,
                absl::StrCat("Base image ", name, " was pulled with platform ",
                             Quote(actual.Normalized().ToString()), ", expected ",
                             Quote(expected.Normalized().ToString()), " for current build"));
}

void CheckDefaultBaseNames(const std::vector<Stage>& stages, const Environment& default_args,
                           const LexOptions& lex, const Linter& linter) {
  for (const Stage& stage : stages) {
    const StatusOr<LexResult> name = ExpandWord(stage.base, default_args, lex);
    if (!name.ok()) {
      return;
    }
    if (!ImageReference::Parse(name->text).ok()) {
      linter.Report(kInvalidDefaultArgInFrom, stage.location,
                    absl::StrCat("Default value for ARG ", stage.base,
                                 " results in empty or invalid base image name"));
    }
  }
}

void CheckUndefinedVariables(const std::set<std::string>& unmatched,
                             const std::vector<ArgDefinition>& build_args,
                             const Environment& environment, const Ranges& location,
                             const Linter& linter) {
  for (const std::string& name : unmatched) {
    const bool is_declared = std::any_of(build_args.begin(), build_args.end(),
                                         [&](const ArgDefinition& arg) { return arg.key == name; });
    if (is_declared || name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE") {
      continue;
    }
    const std::string near = Suggest(name, environment.Names(), true);
    linter.Report(kUndefinedVar, location,
                  absl::StrCat("Usage of undefined variable '$", name, "'",
                               near.empty() ? "" : absl::StrCat(" (did you mean $", near, "?)")));
  }
}

void CheckSecretName(string_view instruction, const std::string& key, const Ranges& location,
                     const Linter& linter) {
  if (!ContainsWord(key, {"apikey", "auth", "credential", "credentials", "key", "password", "pword",
                          "passwd", "secret", "token"}) ||
      ContainsWord(key, {"public", "file", "version"})) {
    return;
  }
  linter.Report(kSecretsUsedInArgOrEnv, location,
                absl::StrCat("Do not use ARG or ENV instructions for sensitive data (", instruction,
                             " ", Quote(key), ")"));
}

void CheckCopiedPath(const std::string& path, bool is_add, const PatternMatcher& ignore,
                     const Ranges& location, const Linter& linter) {
  if (ignore.has_exceptions()) {
    return;  // an excluded directory may still hold included files
  }
  const std::string clean = CleanPath(path);
  if (clean == "." || clean == "/") {
    const std::vector<std::string> patterns = ignore.patterns();
    const bool excludes_all =
        std::any_of(patterns.begin(), patterns.end(), [](const std::string& pattern) {
          return pattern == "*" || pattern == "**" || pattern == "**/*";
        });
    if (!excludes_all) {
      return;
    }
  }
  if (ignore.Matches(clean)) {
    linter.Report(kCopyIgnoredFile, location,
                  absl::StrCat("Attempting to ", is_add ? "Add" : "Copy", " file ", Quote(clean),
                               " that is excluded by .dockerignore"));
  }
}

void CheckSetOnce(const Command& command, SetOnce& tracker, const Linter& linter) {
  if (tracker.is_set) {
    // The earlier one is the one without effect.
    linter.Report(kMultipleInstructionsDisallowed, tracker.location,
                  absl::StrCat("Multiple ", command.keyword,
                               " instructions should not be used in the same stage because only "
                               "the last one will be used"));
  }
  tracker.is_set = true;
  tracker.location = command.location;
}

}  // namespace cairn::dockerfile

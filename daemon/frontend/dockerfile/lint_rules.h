// The build checks: their names, descriptions and pages, as clients and "# check=" know them.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace cairn::dockerfile {

struct LintRule {
  const char* name;
  const char* description;
  const char* url;
  bool is_experimental = false;  // off unless asked for
};

extern const LintRule kStageNameCasing;
extern const LintRule kFromAsCasing;
extern const LintRule kNoEmptyContinuation;
extern const LintRule kConsistentInstructionCasing;
extern const LintRule kDuplicateStageName;
extern const LintRule kReservedStageName;
extern const LintRule kJsonArgsRecommended;
extern const LintRule kMaintainerDeprecated;
extern const LintRule kUndefinedArgInFrom;
extern const LintRule kWorkdirRelativePath;
extern const LintRule kUndefinedVar;
extern const LintRule kMultipleInstructionsDisallowed;
extern const LintRule kLegacyKeyValueFormat;
extern const LintRule kInvalidBaseImagePlatform;
extern const LintRule kRedundantTargetPlatform;
extern const LintRule kSecretsUsedInArgOrEnv;
extern const LintRule kInvalidDefaultArgInFrom;
extern const LintRule kFromPlatformFlagConstDisallowed;
extern const LintRule kCopyIgnoredFile;
extern const LintRule kInvalidDefinitionDescription;
extern const LintRule kExposeProtoCasing;
extern const LintRule kExposeInvalidFormat;

// All of them.
std::vector<const LintRule*> AllLintRules();

}  // namespace cairn::dockerfile

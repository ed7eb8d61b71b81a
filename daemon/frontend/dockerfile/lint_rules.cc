#include "daemon/frontend/dockerfile/lint_rules.h"

namespace cairn::dockerfile {

const LintRule kStageNameCasing = {
    .name = "StageNameCasing",
    .description = "Stage names should be lowercase",
    .url = "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/"};

const LintRule kFromAsCasing = {
    .name = "FromAsCasing",
    .description = "The 'as' keyword should match the case of the 'from' keyword",
    .url = "https://docs.docker.com/go/dockerfile/rule/from-as-casing/"};

const LintRule kNoEmptyContinuation = {
    .name = "NoEmptyContinuation",
    .description = "Empty continuation lines will become errors in a future release",
    .url = "https://docs.docker.com/go/dockerfile/rule/no-empty-continuation/"};

const LintRule kConsistentInstructionCasing = {
    .name = "ConsistentInstructionCasing",
    .description =
        "All commands within the Dockerfile should use the same casing (either upper or lower)",
    .url = "https://docs.docker.com/go/dockerfile/rule/consistent-instruction-casing/"};

const LintRule kDuplicateStageName = {
    .name = "DuplicateStageName",
    .description = "Stage names should be unique",
    .url = "https://docs.docker.com/go/dockerfile/rule/duplicate-stage-name/"};

const LintRule kReservedStageName = {
    .name = "ReservedStageName",
    .description = "Reserved words should not be used as stage names",
    .url = "https://docs.docker.com/go/dockerfile/rule/reserved-stage-name/"};

const LintRule kJsonArgsRecommended = {
    .name = "JSONArgsRecommended",
    .description =
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to "
        "OS signals",
    .url = "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/"};

const LintRule kMaintainerDeprecated = {
    .name = "MaintainerDeprecated",
    .description =
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    .url = "https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/"};

const LintRule kUndefinedArgInFrom = {
    .name = "UndefinedArgInFrom",
    .description = "FROM command must use declared ARGs",
    .url = "https://docs.docker.com/go/dockerfile/rule/undefined-arg-in-from/"};

const LintRule kWorkdirRelativePath = {
    .name = "WorkdirRelativePath",
    .description =
        "Relative workdir without an absolute workdir declared within the build can have "
        "unexpected results if the base image changes",
    .url = "https://docs.docker.com/go/dockerfile/rule/workdir-relative-path/"};

const LintRule kUndefinedVar = {.name = "UndefinedVar",
                                .description = "Variables should be defined before their use",
                                .url = "https://docs.docker.com/go/dockerfile/rule/undefined-var/"};

const LintRule kMultipleInstructionsDisallowed = {
    .name = "MultipleInstructionsDisallowed",
    .description = "Multiple instructions of the same type should not be used in the same stage",
    .url = "https://docs.docker.com/go/dockerfile/rule/multiple-instructions-disallowed/"};

const LintRule kLegacyKeyValueFormat = {
    .name = "LegacyKeyValueFormat",
    .description = "Legacy key/value format with whitespace separator should not be used",
    .url = "https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/"};

const LintRule kInvalidBaseImagePlatform = {
    .name = "InvalidBaseImagePlatform",
    .description = "Base image platform does not match expected target platform",
    .url = ""};

const LintRule kRedundantTargetPlatform = {
    .name = "RedundantTargetPlatform",
    .description =
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the "
        "default behavior",
    .url = "https://docs.docker.com/go/dockerfile/rule/redundant-target-platform/"};

const LintRule kSecretsUsedInArgOrEnv = {
    .name = "SecretsUsedInArgOrEnv",
    .description = "Sensitive data should not be used in the ARG or ENV commands",
    .url = "https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/"};

const LintRule kInvalidDefaultArgInFrom = {
    .name = "InvalidDefaultArgInFrom",
    .description = "Default value for global ARG results in an empty or invalid base image name",
    .url = "https://docs.docker.com/go/dockerfile/rule/invalid-default-arg-in-from/"};

const LintRule kFromPlatformFlagConstDisallowed = {
    .name = "FromPlatformFlagConstDisallowed",
    .description = "FROM --platform flag should not use a constant value",
    .url = "https://docs.docker.com/go/dockerfile/rule/from-platform-flag-const-disallowed/"};

const LintRule kCopyIgnoredFile = {
    .name = "CopyIgnoredFile",
    .description = "Attempting to Copy file that is excluded by .dockerignore",
    .url = "https://docs.docker.com/go/dockerfile/rule/copy-ignored-file/"};

const LintRule kInvalidDefinitionDescription = {
    .name = "InvalidDefinitionDescription",
    .description =
        "Comment for build stage or argument should follow the format: `# <arg/stage name> "
        "<description>`. If this is not intended to be a description comment, add an empty line or "
        "comment between the instruction and the comment.",
    .url = "https://docs.docker.com/go/dockerfile/rule/invalid-definition-description/",
    .is_experimental = true};

const LintRule kExposeProtoCasing = {
    .name = "ExposeProtoCasing",
    .description = "Protocol in EXPOSE instruction should be lowercase",
    .url = "https://docs.docker.com/go/dockerfile/rule/expose-proto-casing/"};

const LintRule kExposeInvalidFormat = {
    .name = "ExposeInvalidFormat",
    .description =
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will "
        "become an error in a future release",
    .url = "https://docs.docker.com/go/dockerfile/rule/expose-invalid-format/"};

std::vector<const LintRule*> AllLintRules() {
  return {&kStageNameCasing,
          &kFromAsCasing,
          &kNoEmptyContinuation,
          &kConsistentInstructionCasing,
          &kDuplicateStageName,
          &kReservedStageName,
          &kJsonArgsRecommended,
          &kMaintainerDeprecated,
          &kUndefinedArgInFrom,
          &kWorkdirRelativePath,
          &kUndefinedVar,
          &kMultipleInstructionsDisallowed,
          &kLegacyKeyValueFormat,
          &kInvalidBaseImagePlatform,
          &kRedundantTargetPlatform,
          &kSecretsUsedInArgOrEnv,
          &kInvalidDefaultArgInFrom,
          &kFromPlatformFlagConstDisallowed,
          &kCopyIgnoredFile,
          &kInvalidDefinitionDescription,
          &kExposeProtoCasing,
          &kExposeInvalidFormat};
}

}  // namespace cairn::dockerfile

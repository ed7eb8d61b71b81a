// Checks that need more than one instruction or the values of variables.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/dispatch.h"
#include "daemon/frontend/dockerfile/instruction.h"
#include "daemon/frontend/dockerfile/linter.h"

namespace cairn::dockerfile {

void CheckStageNames(const std::vector<Stage>& stages, const Linter& linter);
void CheckKeywordCasing(const std::vector<Stage>& stages, const Linter& linter);

// Variables of FROM that are neither declared nor predefined. `known` are those that are.
void CheckFromArgs(const std::set<std::string>& unmatched, const std::vector<std::string>& known,
                   const Ranges& location, const Linter& linter);

// FROM --platform that repeats the default, or that is a constant. `result` is its expansion.
void CheckFromPlatform(const Stage& stage, const LexResult& result, const Environment& global_args,
                       const Linter& linter);

void CheckBaseImagePlatform(const std::string& name, const Platform& expected,
                            const Platform& actual, const Ranges& location, const Linter& linter);

// A base image whose name is invalid when no build argument is given.
void CheckDefaultBaseNames(const std::vector<Stage>& stages, const Environment& default_args,
                           const LexOptions& lex, const Linter& linter);

void CheckUndefinedVariables(const std::set<std::string>& unmatched,
                             const std::vector<ArgDefinition>& build_args,
                             const Environment& environment, const Ranges& location,
                             const Linter& linter);

// ARG or ENV whose name says that it is a secret.
void CheckSecretName(string_view instruction, const std::string& key, const Ranges& location,
                     const Linter& linter);

// A source of COPY or ADD that the ignore file excludes.
void CheckCopiedPath(const std::string& path, bool is_add, const PatternMatcher& ignore,
                     const Ranges& location, const Linter& linter);

// CMD, ENTRYPOINT or HEALTHCHECK set again in one stage; remembers this one.
void CheckSetOnce(const Command& command, SetOnce& tracker, const Linter& linter);

}  // namespace cairn::dockerfile

#include "daemon/frontend/dockerfile/global_args.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/location.h"

namespace cairn::dockerfile {
namespace {

// The variables that the default of one argument depends on. One that extends its own earlier value
// depends on what that did.
std::set<std::string> Dependencies(const std::string& key, std::set<std::string> matched,
                                   const std::map<std::string, OutlineCapture::Arg>& earlier) {
  if (matched.erase(key) > 0) {
    if (const auto before = earlier.find(key); before != earlier.end()) {
      matched.insert(before->second.dependencies.begin(), before->second.dependencies.end());
    }
  }
  return matched;
}

}  // namespace

Environment PlatformArgs(const Platform& build, const Platform& target,
                         const std::map<std::string, std::string>& build_args,
                         const std::string& target_stage) {
  Platform plain_build = build;
  plain_build.os_version.clear();
  plain_build.os_features.clear();
  const std::pair<const char*, std::string> values[] = {
      {"BUILDPLATFORM", plain_build.ToString()},
      {"BUILDOS", build.os},
      {"BUILDOSVERSION", build.os_version},
      {"BUILDARCH", build.architecture},
      {"BUILDVARIANT", build.variant},
      {"TARGETPLATFORM", target.ToString()},
      {"TARGETOS", target.os},
      {"TARGETOSVERSION", target.os_version},
      {"TARGETARCH", target.architecture},
      {"TARGETVARIANT", target.variant},
      {"TARGETSTAGE", target_stage.empty() ? "default" : target_stage},
  };
  Environment args;
  for (const auto& [name, value] : values) {
    const auto given = build_args.find(name);
    args.Set(name, given == build_args.end() ? value : given->second);
  }
  return args;
}

StatusOr<GlobalArgs> EvaluateGlobalArgs(const Environment& platform_args,
                                        const std::vector<Command>& commands,
                                        const std::map<std::string, std::string>& build_args,
                                        const LexOptions& lex) {
  GlobalArgs result{.values = platform_args, .definitions = {}};
  for (const Command& command : commands) {
    for (ArgDefinition definition : std::get<ArgCommand>(command.body).args) {
      OutlineCapture::Arg arg{
          .definition = definition, .value = "", .dependencies = {}, .location = command.location};
      if (const auto given = build_args.find(definition.key); given != build_args.end()) {
        definition.value = given->second;
      } else if (definition.value.has_value()) {
        const StatusOr<LexResult> expanded = ExpandWord(*definition.value, result.values, lex);
        if (!expanded.ok()) {
          return WithLocation(expanded.status(), command.location);
        }
        definition.value = expanded->text;
        arg.dependencies = Dependencies(definition.key, expanded->matched, result.definitions);
      }
      if (definition.value.has_value()) {
        result.values.Set(definition.key, *definition.value);
        arg.value = *definition.value;
      }
      result.definitions[definition.key] = std::move(arg);
    }
  }
  return result;
}

}  // namespace cairn::dockerfile

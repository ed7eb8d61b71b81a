#include "daemon/frontend/dockerfile/command_parsers.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/flags.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {
namespace {

Status NeedsOneOrMore(string_view command) {
  return Error(absl::StrCat(command, " requires at least one argument"));
}

Status NeedsExactlyOne(string_view command) {
  return Error(absl::StrCat(command, " requires exactly one argument"));
}

Status NeedsDestination(string_view command) {
  return Error(absl::StrCat(command,
                            " requires at least two arguments, but only one was provided. "
                            "Destination could not be determined"));
}

Status BlankName(string_view command) {
  return Error(absl::StrCat(command, " names can not be blank"));
}

Status NoFlags(const Node& node) { return Flags({}).Parse(node.flags); }

// The words of an array, or the whole line as one.
std::vector<std::string> JsonOrLine(const std::vector<std::string>& arguments, bool is_json) {
  if (arguments.empty() || is_json) {
    return arguments;
  }
  return {absl::StrJoin(arguments, " ")};
}

StatusOr<std::vector<KeyValue>> ParsePairs(const Node& node, string_view command) {
  RETURN_IF_ERROR(NoFlags(node));
  if (node.arguments.empty()) {
    return NeedsOneOrMore(command);
  }
  std::vector<KeyValue> pairs;
  for (size_t i = 0; i + 2 < node.arguments.size(); i += 3) {
    if (node.arguments[i].empty()) {
      return BlankName(command);
    }
    pairs.push_back(
        KeyValue{node.arguments[i], node.arguments[i + 1], node.arguments[i + 2].empty()});
  }
  return pairs;
}

StatusOr<CommandBody> ParseEnv(const Node& node) {
  ASSIGN_OR_RETURN(std::vector<KeyValue> pairs, ParsePairs(node, "ENV"));
  return EnvCommand{std::move(pairs)};
}

StatusOr<CommandBody> ParseLabel(const Node& node) {
  ASSIGN_OR_RETURN(std::vector<KeyValue> pairs, ParsePairs(node, "LABEL"));
  return LabelCommand{std::move(pairs)};
}

// The heredoc that `word` announces; malformed ones count as plain words.
std::optional<Heredoc> HeredocOf(const std::string& word) {
  StatusOr<std::optional<Heredoc>> heredoc = ParseHeredoc(word);
  return heredoc.ok() ? *std::move(heredoc) : std::nullopt;
}

StatusOr<CopySources> ParseSources(const Node& node, string_view command) {
  CopySources sources;
  sources.destination = node.arguments.back();
  if (HeredocOf(sources.destination).has_value()) {
    return Error(absl::StrCat(command, " cannot accept a heredoc as a destination"));
  }
  for (size_t i = 0; i + 1 < node.arguments.size(); ++i) {
    const std::string& word = node.arguments[i];
    const std::optional<Heredoc> heredoc = HeredocOf(word);
    if (!heredoc.has_value()) {
      sources.paths.push_back(word);
      continue;
    }
    InlineFile file{.path = heredoc->name, .data = "", .expands = heredoc->expands};
    for (const Heredoc& read : node.heredocs) {
      if (read.name == heredoc->name) {
        file.data = heredoc->strips_tabs ? StripLeadingTabs(read.content) : read.content;
      }
    }
    sources.inline_files.push_back(std::move(file));
  }
  return sources;
}

std::optional<bool> OptionalBool(const Flags& flags, const std::string& name) {
  return flags.Has(name) ? std::optional<bool>(flags.IsTrue(name)) : std::nullopt;
}

StatusOr<CommandBody> ParseAdd(const Node& node) {
  if (node.arguments.size() < 2) {
    return NeedsDestination("ADD");
  }
  Flags flags({{"chown", FlagKind::kString},
               {"chmod", FlagKind::kString},
               {"link", FlagKind::kBool},
               {"keep-git-dir", FlagKind::kBool},
               {"checksum", FlagKind::kString},
               {"unpack", FlagKind::kBool},
               {"exclude", FlagKind::kList}});
  RETURN_IF_ERROR(flags.Parse(node.flags));
  AddCommand add;
  ASSIGN_OR_RETURN(add.sources, ParseSources(node, "ADD"));
  add.chown = flags.Value("chown");
  add.chmod = flags.Value("chmod");
  add.link = flags.IsTrue("link");
  add.keep_git_dir = OptionalBool(flags, "keep-git-dir");
  add.checksum = flags.Value("checksum");
  add.unpack = OptionalBool(flags, "unpack");
  add.excludes = flags.Values("exclude");
  return add;
}

StatusOr<CommandBody> ParseCopy(const Node& node) {
  if (node.arguments.size() < 2) {
    return NeedsDestination("COPY");
  }
  Flags flags({{"chown", FlagKind::kString},
               {"from", FlagKind::kString},
               {"chmod", FlagKind::kString},
               {"link", FlagKind::kBool},
               {"exclude", FlagKind::kList},
               {"parents", FlagKind::kBool}});
  RETURN_IF_ERROR(flags.Parse(node.flags));
  CopyCommand copy;
  ASSIGN_OR_RETURN(copy.sources, ParseSources(node, "COPY"));
  copy.from = flags.Value("from");
  copy.chown = flags.Value("chown");
  copy.chmod = flags.Value("chmod");
  copy.link = flags.IsTrue("link");
  copy.parents = flags.IsTrue("parents");
  copy.excludes = flags.Values("exclude");
  return copy;
}

CommandLine ParseCommandLine(const Node& node) {
  CommandLine line;
  line.words = JsonOrLine(node.arguments, node.is_json);
  line.prepend_shell = !node.is_json;
  for (const Heredoc& heredoc : node.heredocs) {
    line.files.push_back(ShellFile{heredoc.name, heredoc.content, heredoc.strips_tabs});
  }
  return line;
}

StatusOr<CommandBody> ParseRun(const Node& node) {
  Flags flags({{"mount", FlagKind::kList},
               {"device", FlagKind::kList},
               {"network", FlagKind::kString},
               {"security", FlagKind::kString}});
  RETURN_IF_ERROR(flags.Parse(node.flags));
  RunCommand run;
  run.line = ParseCommandLine(node);
  run.mounts = flags.Values("mount");
  run.flags_used = flags.Used();
  for (const std::string& device : flags.Values("device")) {
    ASSIGN_OR_RETURN(RunDevice parsed, ParseDevice(device));
    run.devices.push_back(std::move(parsed));
  }
  for (const std::string& mount : run.mounts) {
    RETURN_IF_ERROR(ParseMount(mount, nullptr).status());
  }
  if (flags.Has("network")) {
    run.network = flags.Value("network");
    if (run.network != "default" && run.network != "none" && run.network != "host") {
      return Error(absl::StrCat("invalid network mode ", Quote(run.network)));
    }
  }
  if (flags.Has("security")) {
    run.security = flags.Value("security");
    if (run.security != "sandbox" && run.security != "insecure") {
      return Error(absl::StrCat("security ", Quote(run.security), " is not valid"));
    }
  }
  return run;
}

StatusOr<CommandBody> ParseCmd(const Node& node) {
  RETURN_IF_ERROR(NoFlags(node));
  return CmdCommand{ParseCommandLine(node)};
}

StatusOr<CommandBody> ParseEntrypoint(const Node& node) {
  RETURN_IF_ERROR(NoFlags(node));
  return EntrypointCommand{ParseCommandLine(node)};
}

StatusOr<CommandBody> ParseOnbuild(const Node& node) {
  if (node.arguments.empty()) {
    return NeedsOneOrMore("ONBUILD");
  }
  RETURN_IF_ERROR(NoFlags(node));
  const std::string trigger = absl::AsciiStrToUpper(absl::StripAsciiWhitespace(node.arguments[0]));
  if (trigger == "ONBUILD") {
    return Error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  }
  if (trigger == "MAINTAINER" || trigger == "FROM") {
    return Error(absl::StrCat(trigger, " isn't allowed as an ONBUILD trigger"));
  }
  string_view text = absl::StripLeadingAsciiWhitespace(node.original);
  text = absl::StripLeadingAsciiWhitespace(text.substr(node.keyword.size()));
  OnbuildCommand onbuild{std::string(text)};
  for (const Heredoc& heredoc : node.heredocs) {
    absl::StrAppend(&onbuild.expression, "\n", heredoc.content, heredoc.name);
  }
  return onbuild;
}

// A duration of HEALTHCHECK; zero when it was not given.
StatusOr<absl::Duration> ParseInterval(const Flags& flags, const std::string& name) {
  const std::string value = flags.Value(name);
  if (value.empty()) {
    return absl::ZeroDuration();
  }
  ASSIGN_OR_RETURN(const absl::Duration duration, ParseDuration(value));
  if (duration != absl::ZeroDuration() && duration < absl::Milliseconds(1)) {
    return Error(absl::StrCat("Interval ", Quote(name), " cannot be less than 1ms"));
  }
  return duration;
}

StatusOr<int> ParseRetries(const std::string& value) {
  int64_t retries = 0;
  if (value.empty()) {
    return 0;
  }
  if (!absl::SimpleAtoi(value, &retries)) {
    return Error(absl::StrCat("strconv.ParseInt: parsing ", Quote(value), ": invalid syntax"));
  }
  if (retries < INT32_MIN || retries > INT32_MAX) {
    return Error(absl::StrCat("strconv.ParseInt: parsing ", Quote(value), ": value out of range"));
  }
  if (retries < 0) {
    return Error(absl::StrCat("--retries cannot be negative (", retries, ")"));
  }
  return static_cast<int>(retries);
}

StatusOr<CommandBody> ParseHealthcheck(const Node& node) {
  if (node.arguments.empty()) {
    return NeedsOneOrMore("HEALTHCHECK");
  }
  HealthcheckCommand check;
  const std::string type = absl::AsciiStrToUpper(node.arguments[0]);
  const std::vector<std::string> rest(node.arguments.begin() + 1, node.arguments.end());
  if (type == "NONE") {
    if (!rest.empty()) {
      return Error("HEALTHCHECK NONE takes no arguments");
    }
    check.test = {type};
    return check;
  }
  Flags flags({{"interval", FlagKind::kString},
               {"timeout", FlagKind::kString},
               {"start-period", FlagKind::kString},
               {"start-interval", FlagKind::kString},
               {"retries", FlagKind::kString}});
  RETURN_IF_ERROR(flags.Parse(node.flags));
  if (type != "CMD") {
    return Error(absl::StrCat("Unknown type ", Quote(type), " in HEALTHCHECK (try CMD)"));
  }
  const std::vector<std::string> words = JsonOrLine(rest, node.is_json);
  if (words.empty()) {
    return Error("Missing command after HEALTHCHECK CMD");
  }
  check.test = {node.is_json ? "CMD" : "CMD-SHELL"};
  check.test.insert(check.test.end(), words.begin(), words.end());
  ASSIGN_OR_RETURN(check.interval, ParseInterval(flags, "interval"));
  ASSIGN_OR_RETURN(check.timeout, ParseInterval(flags, "timeout"));
  ASSIGN_OR_RETURN(check.start_period, ParseInterval(flags, "start-period"));
  ASSIGN_OR_RETURN(check.start_interval, ParseInterval(flags, "start-interval"));
  ASSIGN_OR_RETURN(check.retries, ParseRetries(flags.Value("retries")));
  return check;
}

StatusOr<CommandBody> ParseExpose(const Node& node) {
  if (node.arguments.empty()) {
    return NeedsOneOrMore("EXPOSE");
  }
  RETURN_IF_ERROR(NoFlags(node));
  ExposeCommand expose{node.arguments};
  std::sort(expose.ports.begin(), expose.ports.end());
  return expose;
}

StatusOr<CommandBody> ParseVolume(const Node& node) {
  if (node.arguments.empty()) {
    return NeedsOneOrMore("VOLUME");
  }
  RETURN_IF_ERROR(NoFlags(node));
  VolumeCommand volume;
  for (const std::string& argument : node.arguments) {
    const string_view path = absl::StripAsciiWhitespace(argument);
    if (path.empty()) {
      return Error("VOLUME specified can not be an empty string");
    }
    volume.volumes.emplace_back(path);
  }
  return volume;
}

// MAINTAINER, USER and WORKDIR.
template <typename T>
StatusOr<CommandBody> ParseSingle(const Node& node) {
  if (node.arguments.size() != 1) {
    return NeedsExactlyOne(absl::AsciiStrToUpper(node.keyword));
  }
  RETURN_IF_ERROR(NoFlags(node));
  return T{node.arguments[0]};
}

StatusOr<CommandBody> ParseStopSignal(const Node& node) {
  if (node.arguments.size() != 1) {
    return NeedsExactlyOne("STOPSIGNAL");
  }
  return StopSignalCommand{node.arguments[0]};
}

StatusOr<CommandBody> ParseArg(const Node& node) {
  if (node.arguments.empty()) {
    return NeedsOneOrMore("ARG");
  }
  ArgCommand arg;
  for (const std::string& word : node.arguments) {
    const size_t equals = word.find('=');
    ArgDefinition definition{.key = word.substr(0, equals), .value = {}, .description = {}};
    if (equals != std::string::npos) {
      if (definition.key.empty()) {
        return BlankName("ARG");
      }
      definition.value = word.substr(equals + 1);
    }
    definition.description = DescriptionOf(definition.key, node.comments);
    arg.args.push_back(std::move(definition));
  }
  return arg;
}

StatusOr<CommandBody> ParseShell(const Node& node) {
  RETURN_IF_ERROR(NoFlags(node));
  if (node.arguments.empty()) {
    return NeedsOneOrMore("SHELL");
  }
  if (!node.is_json) {
    return Error("SHELL requires the arguments to be in JSON form");
  }
  return ShellCommand{node.arguments};
}

using BodyParser = StatusOr<CommandBody> (*)(const Node&);

const std::map<std::string, BodyParser>& Parsers() {
  static const std::map<std::string, BodyParser> parsers = {
      {"add", ParseAdd},
      {"arg", ParseArg},
      {"cmd", ParseCmd},
      {"copy", ParseCopy},
      {"entrypoint", ParseEntrypoint},
      {"env", ParseEnv},
      {"expose", ParseExpose},
      {"healthcheck", ParseHealthcheck},
      {"label", ParseLabel},
      {"maintainer", ParseSingle<MaintainerCommand>},
      {"onbuild", ParseOnbuild},
      {"run", ParseRun},
      {"shell", ParseShell},
      {"stopsignal", ParseStopSignal},
      {"user", ParseSingle<UserCommand>},
      {"volume", ParseVolume},
      {"workdir", ParseSingle<WorkdirCommand>},
  };
  return parsers;
}

}  // namespace

StatusOr<CommandBody> ParseCommandBody(const std::string& keyword, const Node& node) {
  const auto found = Parsers().find(keyword);
  if (found != Parsers().end()) {
    return found->second(node);
  }
  std::vector<std::string> names = {"FROM"};
  for (const auto& parser : Parsers()) {
    names.push_back(absl::AsciiStrToUpper(parser.first));
  }
  return WithSuggestion(Error(absl::StrCat("unknown instruction: ", node.keyword)), node.keyword,
                        names, false);
}

std::string DescriptionOf(const std::string& name, const std::vector<std::string>& comments) {
  if (name.empty()) {
    return "";
  }
  const std::string prefix = absl::StrCat(name, " ");
  for (const std::string& comment : comments) {
    if (absl::StartsWith(comment, prefix)) {
      return comment.substr(prefix.size());
    }
  }
  return "";
}

}  // namespace cairn::dockerfile

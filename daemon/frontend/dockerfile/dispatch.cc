#include "daemon/frontend/dockerfile/dispatch.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/frontend/dockerfile/dispatch_parts.h"
#include "daemon/frontend/dockerfile/file_op.h"
#include "daemon/frontend/dockerfile/lint_checks.h"
#include "daemon/frontend/dockerfile/signals.h"
#include "daemon/frontend/dockerfile/text.h"
#include "runtime/base/go_match.h"

namespace cairn::dockerfile {
namespace {

// "[a b]", as Go prints a list; quoted, `["a" "b"]`.
std::string List(const std::vector<std::string>& words, bool quoted) {
  return absl::StrCat("[",
                      absl::StrJoin(words, " ",
                                    [&](std::string* out, const std::string& word) {
                                      absl::StrAppend(out, quoted ? Quote(word) : word);
                                    }),
                      "]");
}

// Sets NAME in a list of "NAME=value" entries, in place when it is there.
void SetEnv(const std::string& name, const std::string& value, std::vector<std::string>& env) {
  const std::string prefix = absl::StrCat(name, "=");
  for (std::string& entry : env) {
    if (absl::StartsWith(entry, prefix) || entry == name) {
      entry = absl::StrCat(prefix, value);
      return;
    }
  }
  env.push_back(absl::StrCat(prefix, value));
}

// Expands keys and values, all against the environment before the instruction.
Status ExpandPairs(const Dispatched& d, std::vector<KeyValue>& pairs) {
  for (KeyValue& pair : pairs) {
    ASSIGN_OR_RETURN(pair.key, Expand(d, pair.key));
    ASSIGN_OR_RETURN(pair.value, Expand(d, pair.value));
  }
  return absl::OkStatus();
}

void CheckLegacy(const Dispatched& d, const KeyValue& pair) {
  if (pair.is_legacy) {
    const std::string& keyword = d.command().keyword;
    d.linter.Report(kLegacyKeyValueFormat, d.command().location,
                    absl::StrCat("\"", keyword, " key=value\" should be used instead of legacy \"",
                                 keyword, " key value\" format"));
  }
}

Status Dispatch(const Dispatched& d, EnvCommand& env) {
  RETURN_IF_ERROR(ExpandPairs(d, env.pairs));
  std::string text = "ENV";
  for (const KeyValue& pair : env.pairs) {
    CheckLegacy(d, pair);
    CheckSecretName("ENV", pair.key, d.command().location, d.linter);
    absl::StrAppend(&text, " ", pair.key, "=", pair.value);
    d.stage.environment.Set(pair.key, pair.value);
    SetEnv(pair.key, pair.value, d.stage.image.env);
  }
  AddHistory(d, text, false, false);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, LabelCommand& label) {
  RETURN_IF_ERROR(ExpandPairs(d, label.pairs));
  std::string text = "LABEL";
  for (const KeyValue& pair : label.pairs) {
    CheckLegacy(d, pair);
    d.stage.image.labels[pair.key] = pair.value;
    absl::StrAppend(&text, " ", pair.key, "=", pair.value);
  }
  AddHistory(d, text, false, false);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, ArgCommand& command) {
  std::vector<std::string> texts;
  const std::map<std::string, std::string>& given = d.context.options.build.build_args;
  for (ArgDefinition arg : command.args) {
    CheckSecretName("ARG", arg.key, d.command().location, d.linter);
    const auto override_value = given.find(arg.key);
    bool is_global = false;
    if (override_value != given.end()) {
      arg.value = override_value->second;
    } else if (arg.value.has_value()) {
      ASSIGN_OR_RETURN(arg.value, Expand(d, *arg.value));
    } else if (const auto global = d.context.global_args.Get(arg.key)) {
      arg.value = *global;
      is_global = true;  // described where it is defined
    }
    if (!is_global) {
      d.stage.outline.args[arg.key] = OutlineCapture::Arg{.definition = arg,
                                                          .value = arg.value.value_or(""),
                                                          .dependencies = {},
                                                          .location = d.command().location};
    }
    d.stage.outline.used_args.insert(arg.key);
    if (arg.value.has_value() && arg.key != "BUILDKIT_SBOM_SCAN_CONTEXT" &&
        arg.key != "BUILDKIT_SBOM_SCAN_STAGE") {
      d.stage.environment.Set(arg.key, *arg.value);
    }
    texts.push_back(arg.value.has_value() ? absl::StrCat(arg.key, "=", *arg.value) : arg.key);
    d.stage.build_args.push_back(std::move(arg));
  }
  AddHistory(d, absl::StrCat("ARG ", absl::StrJoin(texts, " ")), false, false);
  return absl::OkStatus();
}

// The words of CMD or ENTRYPOINT with the shell before a shell form.
std::vector<std::string> CommandWords(const Dispatched& d, const CommandLine& line) {
  if (!line.prepend_shell) {
    return line.words;
  }
  if (d.stage.image.shell.empty()) {
    d.linter.Report(kJsonArgsRecommended, d.command().location,
                    absl::StrCat("JSON arguments recommended for ", d.command().keyword,
                                 " to prevent unintended behavior related to OS signals"));
  }
  return WithShell(d.stage.image, line.words);
}

Status Dispatch(const Dispatched& d, CmdCommand& cmd) {
  CheckSetOnce(d.command(), d.stage.cmd, d.linter);
  const std::vector<std::string> words = CommandWords(d, cmd.line);
  d.stage.image.cmd = words;
  d.stage.image.args_escaped = true;
  AddHistory(d, absl::StrCat("CMD ", List(words, true)), false, false);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, EntrypointCommand& entrypoint) {
  CheckSetOnce(d.command(), d.stage.entrypoint, d.linter);
  const std::vector<std::string> words = CommandWords(d, entrypoint.line);
  d.stage.image.entrypoint = words;
  if (!d.stage.cmd.is_set) {
    d.stage.image.cmd.reset();  // an inherited CMD was meant for the inherited ENTRYPOINT
  }
  AddHistory(d, absl::StrCat("ENTRYPOINT ", List(words, true)), false, false);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, HealthcheckCommand& check) {
  CheckSetOnce(d.command(), d.stage.healthcheck, d.linter);
  d.stage.image.healthcheck = HealthcheckConfig{.test = check.test,
                                                .interval = check.interval,
                                                .timeout = check.timeout,
                                                .start_period = check.start_period,
                                                .start_interval = check.start_interval,
                                                .retries = check.retries};
  AddHistory(
      d,
      absl::StrCat(
          "HEALTHCHECK {Test:", List(check.test, false), " Interval:", GoDuration(check.interval),
          " Timeout:", GoDuration(check.timeout), " StartPeriod:", GoDuration(check.start_period),
          " StartInterval:", GoDuration(check.start_interval), " Retries:", check.retries, "}"),
      false, false);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, MaintainerCommand& maintainer) {
  d.stage.image.author = maintainer.name;
  AddHistory(d, absl::StrCat("MAINTAINER ", maintainer.name), false, false);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, OnbuildCommand& onbuild) {
  d.stage.image.on_build.push_back(onbuild.expression);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, ShellCommand& shell) {
  d.stage.image.shell = shell.shell;
  AddHistory(d, absl::StrCat("SHELL ", List(shell.shell, false)), false, false);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, StopSignalCommand& stop) {
  ASSIGN_OR_RETURN(stop.signal, Expand(d, stop.signal));
  if (!IsSignal(stop.signal)) {
    return Error(absl::StrCat("invalid signal: ", stop.signal));
  }
  d.stage.image.stop_signal = stop.signal;
  AddHistory(d, absl::StrCat("STOPSIGNAL ", stop.signal), false, false);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, UserCommand& user) {
  ASSIGN_OR_RETURN(user.user, Expand(d, user.user));
  d.stage.user = user.user;
  d.stage.image.user = user.user;
  AddHistory(d, absl::StrCat("USER ", user.user), false, false);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, VolumeCommand& volume) {
  for (std::string& path : volume.volumes) {
    ASSIGN_OR_RETURN(path, Expand(d, path));
    if (path.empty()) {
      return Error("VOLUME specified can not be an empty string");
    }
    d.stage.image.volumes.insert(path);
  }
  AddHistory(d, absl::StrCat("VOLUME ", List(volume.volumes, false)), false, false);
  return absl::OkStatus();
}

// Sets the working directory to `path`, relative to the one before.
void SetWorkdir(StageState& stage, const std::string& path) {
  const std::string current =
      stage.image.working_dir.empty() ? "/" : JoinPath("/", stage.image.working_dir);
  stage.image.working_dir = absl::StartsWith(path, "/") ? path
                            : path.empty()              ? current
                                                        : JoinPath(current, path);
  stage.working_dir = stage.image.working_dir;
}

Status Dispatch(const Dispatched& d, WorkdirCommand& workdir) {
  ASSIGN_OR_RETURN(workdir.path, Expand(d, workdir.path));
  if (!d.stage.workdir_set && !absl::StartsWith(workdir.path, "/")) {
    d.linter.Report(kWorkdirRelativePath, d.command().location,
                    absl::StrCat("Relative workdir ", Quote(workdir.path),
                                 " can have unexpected results if the base image changes"));
  }
  d.stage.workdir_set = true;
  SetWorkdir(d.stage, workdir.path);
  const std::string& path = d.stage.working_dir;
  const bool has_layer = path != "/";
  if (has_layer) {
    FileOp file(d.stage.output);
    pb::FileActionMkDir* make = file.Add()->mutable_mkdir();
    make->set_path(CleanPath(path));
    make->set_mode(0755);
    make->set_makeparents(true);
    make->set_timestamp(d.context.epoch ? absl::ToUnixNanos(*d.context.epoch) : -1);
    if (!d.stage.image.user.empty()) {
      SetOwner(d.stage.image.user, file.base_input(), make->mutable_owner());
    }
    file.node().SetName(
        StepTitle(d, TitleText(d.command().code, d.stage.environment, d.context.lex)));
    SetLocation(d.context, file.node(), d.command().location);
    d.stage.output = file.Finish();
  }
  AddHistory(d, absl::StrCat("WORKDIR ", path), has_layer, false);
  return absl::OkStatus();
}

Status Dispatch(const Dispatched& d, RunCommand& run) { return DispatchRun(d, run); }
Status Dispatch(const Dispatched& d, AddCommand& add) { return DispatchAdd(d, add); }
Status Dispatch(const Dispatched& d, CopyCommand& copy) { return DispatchCopy(d, copy); }
Status Dispatch(const Dispatched& d, ExposeCommand& expose) { return DispatchExpose(d, expose); }

// Ops hold text, which on the wire must be UTF-8. Comments, labels and the content of copied
// heredocs may be anything.
Status CheckText(const StageState& stage, const Command& command) {
  const auto* run = std::get_if<RunCommand>(&command.body);
  const bool makes_op = run != nullptr || std::holds_alternative<CopyCommand>(command.body) ||
                        std::holds_alternative<AddCommand>(command.body) ||
                        std::holds_alternative<WorkdirCommand>(command.body);
  bool is_text = !makes_op || IsUtf8(command.code);
  if (makes_op) {
    is_text = is_text && IsUtf8(stage.user) && IsUtf8(stage.image.user);
    for (const auto& [name, value] : stage.environment.entries()) {
      is_text = is_text && IsUtf8(name) && IsUtf8(value);
    }
  }
  if (run != nullptr) {
    for (const ShellFile& file : run->line.files) {
      is_text = is_text && IsUtf8(file.data);
    }
    for (const std::string& word : stage.image.shell) {
      is_text = is_text && IsUtf8(word);
    }
  }
  return is_text ? absl::OkStatus()
                 : Error(absl::StrCat(command.keyword, " uses text that is not valid UTF-8"));
}

}  // namespace

Status DispatchCommand(const DispatchContext& context, StageState& stage, StageCommand& command) {
  RETURN_IF_ERROR(CheckText(stage, command.command));
  const Dispatched d{context, stage, command,
                     context.linter.WithComments(command.command.comments)};
  return std::visit([&](auto& body) { return Dispatch(d, body); }, command.command.body);
}

void DispatchBaseWorkdir(StageState& stage) {
  const std::string path = stage.image.working_dir;
  SetWorkdir(stage, path);
}

}  // namespace cairn::dockerfile

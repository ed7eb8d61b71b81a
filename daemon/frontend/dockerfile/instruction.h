// The 17 instructions of a stage, and the stages, as typed values.
//
// Variables are not expanded here: that happens when a stage is converted, against what the stage
// has set by then.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "daemon/frontend/dockerfile/location.h"
#include "daemon/frontend/dockerfile/run_options.h"

namespace cairn::dockerfile {

struct KeyValue {
  std::string key;
  std::string value;
  bool is_legacy = false;  // "ENV k v" instead of "ENV k=v"
};

// A heredoc that COPY or ADD writes as a file.
struct InlineFile {
  std::string path;
  std::string data;
  bool expands = true;
};

struct CopySources {
  std::vector<std::string> paths;
  std::vector<InlineFile> inline_files;
  std::string destination;
};

// A heredoc of RUN.
struct ShellFile {
  std::string name;
  std::string data;
  bool strips_tabs = false;
};

// Of RUN, CMD and ENTRYPOINT: words to execute, or a line for the shell.
struct CommandLine {
  std::vector<std::string> words;  // one word in shell form
  std::vector<ShellFile> files;
  bool prepend_shell = true;
};

struct AddCommand {
  CopySources sources;
  std::string chown;
  std::string chmod;
  bool link = false;
  std::vector<std::string> excludes;
  std::optional<bool> keep_git_dir;
  std::string checksum;
  std::optional<bool> unpack;
};

struct CopyCommand {
  CopySources sources;
  std::string from;
  std::string chown;
  std::string chmod;
  bool link = false;
  bool parents = false;
  std::vector<std::string> excludes;
};

struct ArgDefinition {
  std::string key;
  std::optional<std::string> value;
  std::string description;  // of the comment before it
};

struct ArgCommand {
  std::vector<ArgDefinition> args;
};

struct RunCommand {
  CommandLine line;
  std::vector<std::string> mounts;  // values of --mount, for ParseMount
  std::vector<RunDevice> devices;
  std::string network = "default";   // default, none, host
  std::string security = "sandbox";  // sandbox, insecure
  std::vector<std::string> flags_used;
};

struct CmdCommand {
  CommandLine line;
};

struct EntrypointCommand {
  CommandLine line;
};

struct EnvCommand {
  std::vector<KeyValue> pairs;
};

struct LabelCommand {
  std::vector<KeyValue> pairs;
};

struct ExposeCommand {
  std::vector<std::string> ports;  // sorted
};

// Zero durations and retries mean: as the base image has it.
struct HealthcheckCommand {
  std::vector<std::string> test;  // {"NONE"}, {"CMD", ..} or {"CMD-SHELL", line}
  absl::Duration interval;
  absl::Duration timeout;
  absl::Duration start_period;
  absl::Duration start_interval;
  int retries = 0;
};

struct MaintainerCommand {
  std::string name;
};

struct OnbuildCommand {
  std::string expression;  // with the content of heredocs
};

struct ShellCommand {
  std::vector<std::string> shell;
};

struct StopSignalCommand {
  std::string signal;
};

struct UserCommand {
  std::string user;
};

struct VolumeCommand {
  std::vector<std::string> volumes;
};

struct WorkdirCommand {
  std::string path;
};

using CommandBody = std::variant<AddCommand, ArgCommand, CmdCommand, CopyCommand, EntrypointCommand,
                                 EnvCommand, ExposeCommand, HealthcheckCommand, LabelCommand,
                                 MaintainerCommand, OnbuildCommand, RunCommand, ShellCommand,
                                 StopSignalCommand, UserCommand, VolumeCommand, WorkdirCommand>;

struct Command {
  std::string keyword;  // as written
  std::string code;     // the logical line, trimmed
  Ranges location;
  std::vector<std::string> comments;
  CommandBody body;
};

struct Stage {
  std::string keyword;   // FROM, as written
  std::string name;      // lower case; "" when there is none
  std::string base;      // as written, variables and all
  std::string platform;  // of --platform
  std::string description;
  std::string code;
  Ranges location;
  std::vector<std::string> comments;
  std::vector<Command> commands;
};

}  // namespace cairn::dockerfile

// cairn run: an image's command in the daemon's sandbox, on this terminal or in the background.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/container_run.h"
#include "client/detached_run.h"
#include "runtime/base/fd.h"

namespace cairn::client {
namespace {

struct RunFlags {
  RunRequest request;
  bool detach = false;
  bool remove = false;
};

// A port that the user did not choose is said, as nothing else would tell.
void ShowFoundPorts(const RunRequest& request, const std::vector<PublishedPort>& ports) {
  for (size_t i = 0; i < ports.size(); ++i) {
    const auto wanted = ParsePublishedPort(request.ports[i]);
    if (wanted.ok() && wanted->port == 0) {
      std::fprintf(stderr, "%s\n", ports[i].ToString().c_str());
    }
  }
}

StatusOr<int> Run(const RunFlags& flags, const CommandContext& context) {
  const std::optional<std::string> detached = DetachedRunId();
  if (flags.detach && !detached.has_value()) {
    ASSIGN_OR_RETURN(const std::string id, Detach(context.cancel));
    std::puts(id.c_str());
    return 0;
  }
  const auto stop_signal = [&context]() -> std::string {
    return *context.stop_signal == SIGINT ? "INT" : "TERM";
  };
  ASSIGN_OR_RETURN(auto connection, Connection::Open(context.connection));
  if (flags.detach) {
    return RunDetached(*connection, flags.request, *detached, flags.remove, stop_signal,
                       context.cancel);
  }
  const RunLinks links = {
      .output = [](int stream, string_view data) { WriteAll(stream, data).IgnoreError(); },
      .started =
          [&flags](const std::vector<std::string>&, const std::vector<PublishedPort>& ports) {
            ShowFoundPorts(flags.request, ports);
          },
      .stop_signal = stop_signal};
  return RunContainer(*connection, flags.request, links, context.cancel);
}

}  // namespace

void AddRunCommand(CLI::App& app, CommandSlot& chosen) {
  auto flags = std::make_shared<RunFlags>();
  RunRequest& request = flags->request;
  CLI::App* command = app.add_subcommand("run", "Run an image's command in the sandbox");
  command->add_option("-e,--env", request.environment, "NAME=VALUE, or NAME of the environment");
  command->add_option(
      "-p,--publish", request.ports,
      "[[ADDRESS:]PORT:]CONTAINERPORT: a TCP port of this machine that leads to one "
      "of the container; without PORT, one that is free");
  command->add_option("-u,--user", request.user, "User, or user:group");
  command->add_option("-w,--workdir", request.directory, "Working directory");
  command->add_option("--entrypoint", request.entrypoint, "Instead of the image's entry point");
  command->add_option(
      "--network", request.network,
      "default, none or host. With -p, where containers share the daemon's network, "
      "one that has loopback alone unless this says otherwise");
  command->add_flag("-d,--detach", flags->detach,
                    "Run in the background and print an id; see ps, logs and stop");
  command->add_flag("-i,--interactive", request.interactive, "Pass stdin on");
  command->add_flag("-t,--tty", request.terminal, "Give the command a terminal");
  command->add_flag(
      "--rm", flags->remove,
      "With -d, keep nothing of a run that has ended by itself; without -d nothing is "
      "ever kept");
  command->add_option("IMAGE", request.image, "Image to run")->required();
  for (CLI::Option* option : command->get_options()) {
    option->allow_extra_args(false);
  }
  command->prefix_command();
  command->callback([flags, command, &chosen] {
    for (const std::string& word : command->remaining()) {
      flags->request.command.push_back(word);
    }
    chosen = [flags](const CommandContext& context) { return Run(*flags, context); };
  });
}

}  // namespace cairn::client

// cairn run: an image's command in the daemon's sandbox, on this terminal.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/container_run.h"

namespace cairn::client {

void AddRunCommand(CLI::App& app, CommandSlot& chosen) {
  auto request = std::make_shared<RunRequest>();
  CLI::App* command = app.add_subcommand("run", "Run an image's command in the sandbox");
  command->add_option("-e,--env", request->environment, "NAME=VALUE, or NAME of the environment");
  command->add_option("-p,--publish", request->ports, "[ADDRESS:]PORT:CONTAINERPORT");
  command->add_option("-u,--user", request->user, "User, or user:group");
  command->add_option("-w,--workdir", request->directory, "Working directory");
  command->add_option("--entrypoint", request->entrypoint, "Instead of the image's entry point");
  command->add_option("--network", request->network, "default, none or host");
  command->add_flag("-i,--interactive", request->interactive, "Pass stdin on");
  command->add_flag("-t,--tty", request->terminal, "Give the command a terminal");
  command->add_flag("--rm", request->remove, "Containers are always removed; accepted for habit");
  command->add_option("IMAGE", request->image, "Image to run")->required();
  for (CLI::Option* option : command->get_options()) {
    option->allow_extra_args(false);
  }
  command->prefix_command();
  command->callback([request, command, &chosen] {
    for (const std::string& word : command->remaining()) {
      request->command.push_back(word);
    }
    chosen = [request](const CommandContext& context) -> StatusOr<int> {
      ASSIGN_OR_RETURN(auto connection, Connection::Open(context.connection));
      return RunContainer(*connection, *request, context.cancel);
    };
  });
}

}  // namespace cairn::client

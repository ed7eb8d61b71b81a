// The subcommands of `cairn`: each registers itself on the command line's parser and leaves what to
// run.
//
// A command's options live in the closure that its Add function makes; Run is called at most once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/connection.h"
#include "runtime/base/cancel.h"

namespace CLI {
class App;
}  // namespace CLI

namespace cairn::client {

// What every command gets: where the daemon is, and when the user wants it to stop (Ctrl-C).
struct CommandContext {
  ConnectionOptions connection;
  CancelToken cancel;
  // The signal that fired `cancel`.
  const std::atomic<int>* stop_signal = nullptr;
};

// Returns the process's exit code, or an error to be printed.
using CommandBody = std::function<StatusOr<int>(const CommandContext&)>;
// Set by the subcommand that the user gave.
using CommandSlot = CommandBody;

void AddBuildCommand(CLI::App& app, CommandSlot& chosen);
void AddImagesCommands(CLI::App& app, CommandSlot& chosen);   // images, rmi
void AddStorageCommands(CLI::App& app, CommandSlot& chosen);  // du, prune
void AddDaemonCommands(CLI::App& app, CommandSlot& chosen);   // workers, version
void AddRunCommand(CLI::App& app, CommandSlot& chosen);
void AddDetachedCommands(CLI::App& app, CommandSlot& chosen);  // ps, stop, logs

}  // namespace cairn::client

// The cairn command: registers the subcommands, runs the one given, prints its error.
#include <grpc/grpc.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/exit_code.h"
#include "runtime/base/thread_pool.h"

namespace cairn::client {
namespace {

constexpr int kExitInterrupted = 130;

// Turns SIGINT and SIGTERM into a cancellation; a second one ends the process at once.
class SignalWatch {
 public:
  explicit SignalWatch(CancelSource& cancel) {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    // Read from a descriptor by those who follow the terminal's size; lost unless blocked by all.
    sigset_t window;
    sigemptyset(&window);
    sigaddset(&window, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &window, nullptr);
    thread_ = StartThread("signals", [this, &cancel] {
      for (int seen = 0;; ++seen) {
        int signal = 0;
        sigwait(&signals_, &signal);
        if (done_) {
          return;
        }
        if (seen > 0) {
          ::_exit(kExitInterrupted);
        }
        last_ = signal;
        cancel.Cancel();
      }
    });
  }

  ~SignalWatch() {
    done_ = true;
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }

  const std::atomic<int>& last() const { return last_; }

 private:
  sigset_t signals_;
  std::atomic<int> last_ = 0;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

int Main(int argc, char** argv) {
  CLI::App app("Builds container images with a Cairn or BuildKit daemon.", "cairn");
  CommandContext context;
  CommandSlot chosen;
  app.add_option("--addr,-H", context.connection.address,
                 "Daemon: unix:///path or tcp://host:port (CAIRN_HOST, BUILDKIT_HOST)");
  app.add_option("--tlscacert", context.connection.ca_file, "CA of the daemon's certificate");
  app.add_option("--tlscert", context.connection.certificate_file, "This client's certificate");
  app.add_option("--tlskey", context.connection.key_file, "This client's key");
  app.add_option("--tlsservername", context.connection.server_name, "Name to expect of the daemon");
  app.require_subcommand(1);
  AddBuildCommand(app, chosen);
  AddRunCommand(app, chosen);
  AddDetachedCommands(app, chosen);
  AddImagesCommands(app, chosen);
  AddStorageCommands(app, chosen);
  AddDaemonCommands(app, chosen);
  CLI11_PARSE(app, argc, argv);

  ::signal(SIGPIPE, SIG_IGN);
  // Errors come back as statuses; the library's own lines beside them only repeat the cause.
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  CancelSource cancel;
  context.cancel = cancel.token();
  SignalWatch signals(cancel);
  // Held to the end of the process, which comes without the library's own: see main. Its threads
  // must have the signals blocked, or one of them would be ended by what the watch waits for.
  grpc_init();
  context.stop_signal = &signals.last();
  const StatusOr<int> result = chosen(context);
  if (result.ok()) {
    return *result;
  }
  std::fprintf(stderr, "ERROR: %s\n", std::string(result.status().message()).c_str());
  return ExitCodeOf(result.status());
}

}  // namespace
}  // namespace cairn::client

int main(int argc, char** argv) {
  const int code = cairn::client::Main(argc, argv);
  std::fflush(nullptr);
  // The library would end its dozen threads one by one, which takes longer than a short command.
  ::_exit(code);
}

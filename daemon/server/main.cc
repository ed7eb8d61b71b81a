// cairnd: builds container images for its clients.
#include <grpc/grpc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/server/daemon.h"
#include "daemon/server/flags.h"
#include "daemon/server/memory_return.h"
#include "daemon/server/service_manager.h"
#include "daemon/server/stop_signals.h"
#include "daemon/server/version.h"
#include "runtime/base/thread_pool.h"

namespace cairn::server {
namespace {

// Shorter than what service managers and test suites give before they kill.
constexpr absl::Duration kGrace = absl::Seconds(8);

void Print(FILE* stream, const std::string& text) { std::fputs(text.c_str(), stream); }

int Run(const Config& config, Logger& log) {
  StatusOr<StopSignals> signals = StopSignals::Catch();
  if (!signals.ok()) {
    log.Error("cannot start", {{"error", signals.status().message()}});
    return EXIT_FAILURE;
  }
  // Sessions come and go; the library stays up.
  grpc_init();
  StatusOr<std::unique_ptr<Daemon>> daemon = Daemon::Start(config, log);
  if (!daemon.ok()) {
    log.Error("cannot start", {{"error", daemon.status().message()}});
    return EXIT_FAILURE;
  }
  log.Info("running", {{"version", kVersion},
                       {"addresses", absl::StrJoin((*daemon)->addresses(), " ")},
                       {"root", config.root}});
  NotifyServiceManager("READY=1");
  const int signal = signals->Wait();
  log.Info("stopping", {{"signal", signal}});
  NotifyServiceManager("STOPPING=1");
  // A second signal does not wait for anything.
  StopSignals& again = *signals;
  StartThread("signals", [&again] {
    again.Wait();
    _exit(EXIT_FAILURE);
  }).detach();
  (*daemon)->Drain(kGrace);
  daemon->reset();
  log.Info("stopped");
  return EXIT_SUCCESS;
}

int Main(int argc, char** argv) {
  MemoryReturn::Configure();
  // What programs of the daemon write (git's checkouts) has the modes that images are made of,
  // whoever starts it.
  ::umask(022);
  StatusOr<StartRequest> request = ReadCommandLine(argc, argv);
  if (!request.ok()) {
    Print(stderr, absl::StrCat("cairnd: ", request.status().message(), "\n"));
    return EXIT_FAILURE;
  }
  if (request->print.has_value()) {
    Print(stdout, *request->print);
    return EXIT_SUCCESS;
  }
  const Config config = std::move(request->config);
  Logger log(config.log_level, config.log_format);
  for (const std::string& key : request->unknown_keys) {
    log.Warn("unknown key in the configuration", {{"key", key}});
  }
  const int code = Run(config, log);
  std::fflush(nullptr);
  // Without the library's own cleanup, which would wait for pollers of connections long gone.
  _exit(code);
}

}  // namespace
}  // namespace cairn::server

int main(int argc, char** argv) { return cairn::server::Main(argc, argv); }

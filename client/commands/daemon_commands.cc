// cairn workers and cairn version: who answers, and what it can do.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/commands/command.h"
#include "client/render_error.h"
#include "proto/control.grpc.pb.h"

namespace cairn::client {
namespace {

using moby::buildkit::v1::Control;

std::string PlatformText(const pb::Platform& platform) {
  return absl::StrCat(platform.os(), "/", platform.architecture(),
                      platform.variant().empty() ? "" : "/", platform.variant());
}

StatusOr<int> ListWorkers(const std::string& wait, const CommandContext& context) {
  ASSIGN_OR_RETURN(auto connection, Connection::Open(context.connection));
  if (!wait.empty()) {
    absl::Duration timeout;
    if (!absl::ParseDuration(wait, &timeout)) {
      return absl::InvalidArgumentError(
          absl::StrCat("wait \"", wait, "\": want a form such as 10s"));
    }
    RETURN_IF_ERROR(connection->WaitReady(timeout, context.cancel));
  }
  grpc::ClientContext call;
  moby::buildkit::v1::ListWorkersResponse response;
  RETURN_IF_ERROR(
      FromDaemon(Control::NewStub(connection->channel())->ListWorkers(&call, {}, &response)));
  absl::PrintF("%-28s %s\n", "ID", "PLATFORMS");
  for (const auto& worker : response.record()) {
    absl::PrintF(
        "%-28s %s\n", worker.id(),
        absl::StrJoin(worker.platforms(), ",", [](std::string* out, const pb::Platform& platform) {
          out->append(PlatformText(platform));
        }));
    for (const auto& device : worker.cdidevices()) {
      absl::PrintF("  device %s%s\n", device.name(),
                   device.autoallow() ? " (for every build)" : "");
    }
  }
  return 0;
}

StatusOr<int> ShowVersion(const CommandContext& context) {
  absl::PrintF("cairn:  %s\n", CAIRN_VERSION);
  ASSIGN_OR_RETURN(auto connection, Connection::Open(context.connection));
  grpc::ClientContext call;
  moby::buildkit::v1::InfoResponse response;
  RETURN_IF_ERROR(FromDaemon(Control::NewStub(connection->channel())->Info(&call, {}, &response)));
  const auto& version = response.buildkitversion();
  absl::PrintF("daemon: %s %s (Dockerfile %s) at %s\n", version.package(), version.version(),
               version.dockerfileversion(), connection->address());
  return 0;
}

}  // namespace

void AddDaemonCommands(CLI::App& app, CommandSlot& chosen) {
  auto wait = std::make_shared<std::string>();
  CLI::App* workers = app.add_subcommand("workers", "List the daemon's workers");
  workers->add_option("--wait", *wait, "Wait this long for the daemon to answer");
  workers->callback([wait, &chosen] {
    chosen = [wait](const CommandContext& context) { return ListWorkers(*wait, context); };
  });
  app.add_subcommand("version", "Show the versions of client and daemon")->callback([&chosen] {
    chosen = [](const CommandContext& context) { return ShowVersion(context); };
  });
}

}  // namespace cairn::client

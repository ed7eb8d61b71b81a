#include "client/container_run.h"

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/gateway_build.h"
#include "client/json_text.h"
#include "client/port_forward.h"
#include "client/process_link.h"
#include "client/render_error.h"
#include "client/terminal.h"
#include "runtime/base/digest.h"
#include "runtime/base/platform.h"

namespace cairn::client {
namespace {

using nlohmann::json;

constexpr char kContainer[] = "run";
constexpr char kNetworkLabel[] = "org.mobyproject.buildkit.worker.network";
// For what the command had written to its connections when it ended.
constexpr absl::Duration kDrainTime = absl::Seconds(1);

std::vector<std::string> StringsIn(const json& object, const char* key) {
  std::vector<std::string> strings;
  const auto list = object.find(key);
  if (list != object.end() && list->is_array()) {
    for (const json& item : *list) {
      if (item.is_string()) {
        strings.push_back(item.get<std::string>());
      }
    }
  }
  return strings;
}

// "A=1" replaces an earlier "A=0".
void SetVariable(std::vector<std::string>& environment, const std::string& variable) {
  const std::string prefix = variable.substr(0, variable.find('=') + 1);
  for (std::string& existing : environment) {
    if (existing.compare(0, prefix.size(), prefix) == 0) {
      existing = variable;
      return;
    }
  }
  environment.push_back(variable);
}

// The image's process with the request's changes, as `docker run` combines them.
StatusOr<pb::Meta> MakeMeta(const RunRequest& request, const std::string& config_json) {
  const json image = json::parse(config_json, nullptr, false);
  if (!image.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("image ", request.image, ": its config is not JSON"));
  }
  const json config = image.value("config", json::object());
  std::vector<std::string> entrypoint = StringsIn(config, "Entrypoint");
  std::vector<std::string> command = StringsIn(config, "Cmd");
  if (!request.entrypoint.empty()) {
    entrypoint = {request.entrypoint};
    command.clear();
  }
  if (!request.command.empty()) {
    command = request.command;
  }
  std::vector<std::string> environment = StringsIn(config, "Env");
  if (request.terminal) {
    const char* terminal = std::getenv("TERM");
    SetVariable(environment, absl::StrCat("TERM=", terminal != nullptr ? terminal : "xterm"));
  }
  for (const std::string& variable : request.environment) {
    const char* value =
        variable.find('=') == std::string::npos ? std::getenv(variable.c_str()) : "";
    if (value != nullptr) {
      SetVariable(environment, *value == '\0' && variable.find('=') != std::string::npos
                                   ? variable
                                   : absl::StrCat(variable, "=", value));
    }
  }
  pb::Meta meta;
  for (const std::vector<std::string>* part : {&entrypoint, &command}) {
    meta.mutable_args()->Add(part->begin(), part->end());
  }
  meta.mutable_env()->Add(environment.begin(), environment.end());
  if (meta.args_size() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("image ", request.image, " has no command; give one after its name"));
  }
  const std::string directory = StringIn(config, "WorkingDir");
  meta.set_cwd(!request.directory.empty() ? request.directory
               : directory.empty()        ? "/"
                                          : directory);
  meta.set_user(request.user.empty() ? StringIn(config, "User") : request.user);
  return meta;
}

StatusOr<pb::NetMode> ParseNetwork(const std::string& network) {
  if (network.empty() || network == "default") {
    return pb::UNSET;
  }
  if (network == "none") {
    return pb::NONE;
  }
  if (network == "host") {
    return pb::HOST;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("network \"", network, "\": want default, none or host"));
}

// The definition of one image source.
pb::Definition ImageDefinition(const std::string& reference) {
  pb::Op source;
  source.mutable_source()->set_identifier("docker-image://" + reference);
  (*source.mutable_source()->mutable_attrs())["image.resolvemode"] = "local";
  source.mutable_platform()->set_os("linux");
  source.mutable_platform()->set_architecture(Platform::Host().architecture);
  pb::Definition definition;
  definition.add_def(source.SerializeAsString());
  pb::Op target;
  target.add_inputs()->set_digest(Digest::Of(definition.def(0)).ToString());
  definition.add_def(target.SerializeAsString());
  return definition;
}

StatusOr<std::unique_ptr<PortForward>> OpenPorts(const RunRequest& request) {
  std::vector<PublishedPort> ports;
  for (const std::string& text : request.ports) {
    ASSIGN_OR_RETURN(PublishedPort port, ParsePublishedPort(text));
    ports.push_back(std::move(port));
  }
  return PortForward::Listen(std::move(ports));
}

// Where containers share the daemon's network, those with published ports get one of their own.
StatusOr<pb::NetMode> NetworkForPorts(Connection& connection, const CancelToken& cancel) {
  const auto control = moby::buildkit::v1::Control::NewStub(connection.channel());
  grpc::ClientContext context;
  const CancelCallback on_cancel(cancel, [&context] { context.TryCancel(); });
  moby::buildkit::v1::ListWorkersResponse workers;
  RETURN_IF_ERROR(FromDaemon(control->ListWorkers(&context, {}, &workers)));
  for (const auto& worker : workers.record()) {
    const auto label = worker.labels().find(kNetworkLabel);
    if (label != worker.labels().end() && label->second == "host") {
      return pb::NONE;
    }
  }
  return pb::UNSET;
}

Status MakeContainer(GatewayBuild& build, const std::string& reference, pb::NetMode network) {
  moby::buildkit::v1::frontend::SolveRequest solve;
  *solve.mutable_definition() = ImageDefinition(reference);
  solve.set_allowresultreturn(true);
  solve.set_allowresultarrayref(true);
  moby::buildkit::v1::frontend::SolveResponse solved;
  RETURN_IF_ERROR(build.Call([&](grpc::ClientContext& context) {
    return build.bridge().Solve(&context, solve, &solved);
  }));
  moby::buildkit::v1::frontend::NewContainerRequest container;
  container.set_containerid(kContainer);
  container.set_network(network);
  pb::Mount& root = *container.add_mounts();
  root.set_dest("/");
  root.set_resultid(solved.result().ref().id());
  moby::buildkit::v1::frontend::NewContainerResponse made;
  return build.Call([&](grpc::ClientContext& context) {
    return build.bridge().NewContainer(&context, container, &made);
  });
}

}  // namespace

StatusOr<int> RunContainer(Connection& connection, const RunRequest& request, const RunLinks& links,
                           const CancelToken& cancel) {
  ASSIGN_OR_RETURN(pb::NetMode network, ParseNetwork(request.network));
  ASSIGN_OR_RETURN(const std::unique_ptr<PortForward> ports, OpenPorts(request));
  const bool own_terminal = links.attached && request.terminal && request.interactive;
  if (own_terminal && ::isatty(STDIN_FILENO) == 0) {
    return absl::FailedPreconditionError("-it: the input device is not a TTY; leave out -t");
  }
  if (!request.ports.empty() && request.network.empty()) {
    ASSIGN_OR_RETURN(network, NetworkForPorts(connection, cancel));
  }
  GatewayBuild build(connection, cancel);
  RETURN_IF_ERROR(build.Start(network == pb::HOST));

  moby::buildkit::v1::frontend::ResolveImageConfigRequest resolve;
  resolve.set_ref(request.image);
  resolve.set_resolvemode("local");
  resolve.mutable_platform()->set_os("linux");
  resolve.mutable_platform()->set_architecture(Platform::Host().architecture);
  moby::buildkit::v1::frontend::ResolveImageConfigResponse image;
  RETURN_IF_ERROR_IN(build.Call([&](grpc::ClientContext& context) {
    return build.bridge().ResolveImageConfig(&context, resolve, &image);
  }),
                     absl::StrCat("image ", request.image));
  ASSIGN_OR_RETURN(const pb::Meta meta, MakeMeta(request, image.config()));
  const std::string reference = image.ref().empty() ? request.image : image.ref();
  RETURN_IF_ERROR(MakeContainer(build, reference, network));

  std::unique_ptr<RawTerminal> raw;
  if (own_terminal) {
    ASSIGN_OR_RETURN(raw, RawTerminal::Enter(STDIN_FILENO));
  }
  ProcessLink process(
      build, {.container_id = kContainer,
              .meta = meta,
              .input = request.interactive && links.attached,
              .hold_input = request.interactive,
              .terminal = request.terminal,
              .follow_size = request.terminal && links.attached,
              .output = links.output,
              .started =
                  [&] {
                    ports->Start(build, kContainer);
                    links.started({meta.args().begin(), meta.args().end()}, ports->ports());
                  },
              .stop_signal = links.stop_signal});
  StatusOr<int> code = process.Run(cancel);
  ports->Drain(kDrainTime);
  return code;
}

}  // namespace cairn::client

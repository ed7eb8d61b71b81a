#include "client/container_run.h"

#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/client_id.h"
#include "client/render_error.h"
#include "client/session.h"
#include "client/terminal.h"
#include "proto/control.grpc.pb.h"
#include "proto/gateway.grpc.pb.h"
#include "runtime/base/digest.h"
#include "runtime/base/fd.h"
#include "runtime/base/platform.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::client {
namespace {

using moby::buildkit::v1::frontend::ExecMessage;
using moby::buildkit::v1::frontend::LLBBridge;
using nlohmann::json;

constexpr char kContainer[] = "run";
constexpr char kProcess[] = "main";
constexpr int kKilled = 137;

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

std::string StringIn(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
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

// A gateway build that does nothing but hold a container.
class GatewayBuild {
 public:
  explicit GatewayBuild(Connection& connection)
      : bridge_(LLBBridge::NewStub(connection.channel())),
        control_(moby::buildkit::v1::Control::NewStub(connection.channel())),
        id_(Digest::Of(absl::StrCat(ClientId(), ::getpid(), absl::ToUnixNanos(absl::Now())))
                .hex()
                .substr(0, 25)) {}

  ~GatewayBuild() {
    if (!thread_.joinable()) {
      return;
    }
    grpc::ClientContext context;
    Prepare(context);
    moby::buildkit::v1::frontend::ReturnRequest done;
    done.mutable_result();
    moby::buildkit::v1::frontend::ReturnResponse response;
    if (!bridge_->Return(&context, done, &response).ok()) {
      solve_context_.TryCancel();
    }
    thread_.join();
  }

  Status Start(Connection& connection, bool host_network) {
    ASSIGN_OR_RETURN(session_, Session::Start(connection, {.shared_key = ClientId()}));
    thread_ = StartThread("run-build", [this, host_network] {
      moby::buildkit::v1::SolveRequest request;
      request.set_ref(id_);
      request.set_session(session_->id());
      request.set_internal(true);
      if (host_network) {
        request.add_entitlements("network.host");
      }
      moby::buildkit::v1::SolveResponse response;
      const grpc::Status status = control_->Solve(&solve_context_, request, &response);
      MutexLock lock(mu_);
      solved_ = FromDaemon(status);
    });
    moby::buildkit::v1::frontend::PongResponse pong;
    return Call([&](grpc::ClientContext& context) { return bridge_->Ping(&context, {}, &pong); });
  }

  // Runs one call of the bridge for this build; when the build itself has failed, that is the
  // error.
  template <typename Body>
  Status Call(const Body& body) {
    grpc::ClientContext context;
    Prepare(context);
    const Status status = FromDaemon(body(context));
    MutexLock lock(mu_);
    return status.ok() || solved_.ok() ? status : solved_;
  }

  void Prepare(grpc::ClientContext& context) const {
    context.AddMetadata("buildkit-controlapi-buildid", id_);
  }

  LLBBridge::Stub& bridge() { return *bridge_; }
  const std::string& id() const { return id_; }

 private:
  const std::unique_ptr<LLBBridge::Stub> bridge_;
  const std::unique_ptr<moby::buildkit::v1::Control::Stub> control_;
  const std::string id_;
  std::unique_ptr<Session> session_;
  grpc::ClientContext solve_context_;
  std::thread thread_;
  Mutex mu_;
  Status solved_ ABSL_GUARDED_BY(mu_);
};

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

// Connects this process's descriptors and signals to the process in the container.
class ProcessLink {
 public:
  ProcessLink(GatewayBuild& build, const RunRequest& request) : request_(request) {
    build.Prepare(context_);
    stream_ = build.bridge().ExecProcess(&context_);
    wake_.Reset(::eventfd(0, EFD_CLOEXEC));
  }

  StatusOr<int> Run(const pb::Meta& meta, const CancelToken& cancel) {
    ExecMessage init;
    init.set_processid(kProcess);
    init.mutable_init()->set_containerid(kContainer);
    *init.mutable_init()->mutable_meta() = meta;
    init.mutable_init()->set_tty(request_.terminal);
    for (uint32_t fd : {0u, 1u, 2u}) {
      init.mutable_init()->add_fds(fd);
    }
    stream_->Write(init);
    CancelCallback killer(cancel, [this] { SendSignal("KILL"); });
    std::thread input = StartThread("run-input", [this] { SendInput(); });
    const StatusOr<int> code = ReceiveOutput();
    const uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    input.join();
    context_.TryCancel();
    return code;
  }

 private:
  void Write(ExecMessage message) {
    message.set_processid(kProcess);
    MutexLock lock(write_mu_);  // gRPC allows one writer at a time
    stream_->Write(message);
  }

  void SendSignal(const std::string& name) {
    ExecMessage message;
    message.mutable_signal()->set_name(name);
    Write(std::move(message));
  }

  void SendSize() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
      ExecMessage message;
      message.mutable_resize()->set_rows(size.ws_row);
      message.mutable_resize()->set_cols(size.ws_col);
      Write(std::move(message));
    }
  }

  void SendInput() {
    sigset_t window;
    sigemptyset(&window);
    sigaddset(&window, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &window, nullptr);
    const UniqueFd resized(::signalfd(-1, &window, SFD_CLOEXEC));
    if (request_.terminal) {
      SendSize();
    }
    bool open = request_.interactive;
    if (!open) {
      SendStdin("", true);
    }
    for (;;) {
      pollfd polls[3] = {{wake_.get(), POLLIN, 0},
                         {request_.terminal ? resized.get() : -1, POLLIN, 0},
                         {open ? STDIN_FILENO : -1, POLLIN, 0}};
      if (::poll(polls, 3, -1) < 0 && errno != EINTR) {
        return;
      }
      if (polls[0].revents != 0) {
        return;
      }
      if (polls[1].revents != 0) {
        signalfd_siginfo info;
        (void)!::read(resized.get(), &info, sizeof info);
        SendSize();
      }
      if (polls[2].revents != 0) {
        char buffer[32 << 10];
        const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
        open = got > 0;
        SendStdin(got > 0 ? std::string(buffer, static_cast<size_t>(got)) : "", got <= 0);
      }
    }
  }

  void SendStdin(std::string data, bool end) {
    ExecMessage message;
    message.mutable_file()->set_fd(0);
    message.mutable_file()->set_data(std::move(data));
    message.mutable_file()->set_eof(end);
    Write(std::move(message));
  }

  StatusOr<int> ReceiveOutput() {
    int code = 0;
    std::string error;
    ExecMessage message;
    while (stream_->Read(&message)) {
      if (message.has_file()) {
        (void)WriteAll(message.file().fd() == 2 ? STDERR_FILENO : STDOUT_FILENO,
                       message.file().data());
      } else if (message.has_exit()) {
        code = static_cast<int>(message.exit().code());
        error = message.exit().error().message();
      } else if (message.has_done()) {
        // 255 is the gateway's word for a process that never ran.
        if (code == 255) {
          return absl::UnknownError(error);
        }
        return code;
      }
    }
    const grpc::Status status = stream_->Finish();
    return status.ok() ? StatusOr<int>(absl::UnavailableError("run: the daemon ended the stream"))
                       : FromDaemon(status);
  }

  const RunRequest& request_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<ExecMessage, ExecMessage>> stream_;
  UniqueFd wake_;
  Mutex write_mu_;
};

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

StatusOr<int> RunContainer(Connection& connection, const RunRequest& request,
                           const CancelToken& cancel) {
  if (!request.ports.empty()) {
    return absl::UnimplementedError(
        "publishing ports is not offered; without -p the command listens on the daemon's own "
        "network");
  }
  ASSIGN_OR_RETURN(const pb::NetMode network, ParseNetwork(request.network));
  GatewayBuild build(connection);
  RETURN_IF_ERROR(build.Start(connection, network == pb::HOST));

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

  std::unique_ptr<RawTerminal> terminal;
  if (request.terminal && request.interactive) {
    ASSIGN_OR_RETURN(terminal, RawTerminal::Enter(STDIN_FILENO));
  }
  StatusOr<int> code = ProcessLink(build, request).Run(meta, cancel);
  if (cancel.cancelled()) {
    return kKilled;
  }
  return code;
}

}  // namespace cairn::client

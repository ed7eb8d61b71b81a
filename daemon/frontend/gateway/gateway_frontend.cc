#include "daemon/frontend/gateway/gateway_frontend.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/gateway/frontend_image.h"
#include "daemon/llb/builder.h"
#include "daemon/llb/errors.h"
#include "runtime/base/thread_pool.h"

namespace cairn::gateway {
namespace {

constexpr char kImagePrefix[] = "docker-image://";
constexpr char kInputsCapability[] = "moby.buildkit.frontend.inputs";
constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr char kDefinitionFile[] = "/run/config/buildkit/metadata/frontend.bin";
// How much of what the frontend last said on stderr goes into its error.
constexpr size_t kMaxErrorText = 4096;

std::string OptionOr(const solver::FrontendRequest& request, const std::string& name) {
  const auto found = request.options.find(name);
  return found == request.options.end() ? "" : found->second;
}

// The repository of an image reference: no tag, no digest, no default host.
string_view RepositoryOf(string_view reference) {
  reference = reference.substr(0, reference.find('@'));
  const size_t colon = reference.rfind(':');
  if (colon != string_view::npos && reference.find('/', colon) == string_view::npos) {
    reference = reference.substr(0, colon);
  }
  reference = absl::StripPrefix(reference, "docker.io/");
  return absl::StripPrefix(reference, "library/");
}

// Collects the end of what comes out of a pipe.
class ErrorText {
 public:
  explicit ErrorText(UniqueFd fd) : fd_(std::move(fd)) {
    thread_ = StartThread("frontend-err", [this] { Read(); });
  }
  ~ErrorText() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  // Waits for the end of the pipe.
  std::string Take() {
    thread_.join();
    return std::move(text_);
  }

 private:
  void Read() {
    char buffer[4096];
    for (ssize_t count = 1; count > 0;) {
      count = read(fd_.get(), buffer, sizeof(buffer));
      if (count > 0) {
        text_.append(buffer, static_cast<size_t>(count));
        text_.erase(0, text_.size() > kMaxErrorText ? text_.size() - kMaxErrorText : 0);
      }
    }
  }

  const UniqueFd fd_;
  std::string text_;
  std::thread thread_;
};

struct LoadedFrontend {
  FrontendImage image;
  pb::Definition definition;
  layer::Chain root;
};

class GatewayFrontend final : public solver::Frontend {
 public:
  explicit GatewayFrontend(GatewayEnvironment environment) : environment_(std::move(environment)) {}

  StatusOr<solver::FrontendResult> Solve(solver::Bridge& bridge,
                                         const solver::FrontendRequest& request,
                                         const CancelToken& cancel) override {
    const std::string source = OptionOr(request, "source");
    if (source.empty()) {
      return absl::InvalidArgumentError("no source specified for gateway");
    }
    RETURN_IF_ERROR(CheckAllowed(source));
    ASSIGN_OR_RETURN(const LoadedFrontend loaded, Load(bridge, request, source, cancel));
    RETURN_IF_ERROR(CheckCapabilities(loaded.image, request));
    return Run(bridge, request, loaded, cancel);
  }

 private:
  Status CheckAllowed(const std::string& source) const {
    const auto& allowed = environment_.allowed_repositories;
    const bool is_allowed =
        allowed.empty() || std::any_of(allowed.begin(), allowed.end(), [&](const auto& name) {
          return RepositoryOf(name) == RepositoryOf(source);
        });
    return is_allowed ? absl::OkStatus()
                      : absl::PermissionDeniedError(
                            absl::StrCat("'", source, "' is not an allowed gateway source"));
  }

  static Status CheckCapabilities(const FrontendImage& image,
                                  const solver::FrontendRequest& request) {
    std::set<std::string> wanted = ParseCapabilities(OptionOr(request, "frontend.caps"));
    if (!request.inputs.empty()) {
      wanted.insert(kInputsCapability);
    }
    for (const std::string& capability : wanted) {
      if (image.capabilities.count(capability) == 0) {
        return llb::WithFrontendCap(
            absl::UnimplementedError(absl::StrCat("unsupported frontend capability ", capability)),
            capability);
      }
    }
    return absl::OkStatus();
  }

  StatusOr<LoadedFrontend> Load(solver::Bridge& bridge, const solver::FrontendRequest& request,
                                const std::string& source, const CancelToken& cancel) const {
    // A named context may stand in for the image.
    const std::string replaced = OptionOr(request, absl::StrCat("context:", source));
    if (!replaced.empty() && !absl::StartsWith(replaced, kImagePrefix)) {
      return absl::UnimplementedError(absl::StrCat("frontend ", source, " replaced by \"", replaced,
                                                   "\": only docker-image:// can be"));
    }
    const std::string reference =
        replaced.empty() ? source : std::string(absl::StripPrefix(replaced, kImagePrefix));
    ASSIGN_OR_RETURN_IN(
        const solver::ImageConfig config,
        bridge.ResolveImageConfig(
            {.reference = reference,
             .mode = "default",
             .log_name = absl::StrCat("resolve image config for ", kImagePrefix, reference)},
            cancel),
        absl::StrCat("frontend ", source));
    ASSIGN_OR_RETURN(FrontendImage image, FrontendImage::Parse(config.config));
    const llb::Output output = llb::Source(absl::StrCat(kImagePrefix, config.reference));
    (*output.node->op.mutable_source()->mutable_attrs())["image.recordtype"] = "frontend";
    const pb::Definition definition = llb::Marshal(output);
    solver::SolveRequest solve;
    solve.definition = definition;
    ASSIGN_OR_RETURN(const solver::FrontendResult result, bridge.Solve(solve, cancel));
    if (!result.ref || *result.ref == nullptr) {
      return absl::InternalError("gateway source didn't return default result");
    }
    ASSIGN_OR_RETURN(layer::Chain root, (*result.ref)->Evaluate(cancel));
    return LoadedFrontend{
        .image = std::move(image), .definition = definition, .root = std::move(root)};
  }

  sandbox::ProcessSpec ProcessOf(const FrontendImage& image, const solver::Bridge& bridge,
                                 const solver::FrontendRequest& request) const {
    sandbox::ProcessSpec process{.args = image.entrypoint, .env = image.env};
    process.cwd = image.working_directory;
    const bool has_path =
        std::any_of(image.env.begin(), image.env.end(),
                    [](const std::string& entry) { return absl::StartsWith(entry, "PATH="); });
    if (!has_path) {
      process.env.push_back(absl::StrCat("PATH=", kDefaultPath));
    }
    int number = 0;
    for (const auto& [name, value] : request.options) {
      process.env.push_back(
          absl::StrCat("BUILDKIT_FRONTEND_OPT_", number++, "=", name, "=", value));
    }
    process.env.push_back(absl::StrCat("BUILDKIT_SESSION_ID=", bridge.session_id()));
    process.env.push_back(absl::StrCat("BUILDKIT_WORKERS=", environment_.server.workers_json()));
    process.env.push_back("BUILDKIT_EXPORTEDPRODUCT=");
    return process;
  }

  StatusOr<solver::FrontendResult> Run(solver::Bridge& bridge,
                                       const solver::FrontendRequest& request,
                                       const LoadedFrontend& loaded, const CancelToken& cancel) {
    ASSIGN_OR_RETURN(const auto lower, environment_.snapshots.Mount(loaded.root, cancel));
    ASSIGN_OR_RETURN(const auto upper, environment_.snapshots.NewWritable(loaded.root));
    sandbox::ContainerSpec spec;
    spec.root.overlay = {.lowers = lower->lower_directories(),
                         .upper = upper->upper_directory(),
                         .work = upper->work_directory()};
    sandbox::MountSpec definition;
    definition.kind = sandbox::MountSpec::Kind::kFile;
    definition.destination = kDefinitionFile;
    definition.content = loaded.definition.SerializeAsString();
    definition.mode = 0400;
    definition.readonly = true;
    spec.mounts.push_back(std::move(definition));
    if (loaded.image.without_network) {
      spec.network.mode = sandbox::NetworkSpec::Mode::kNone;
    }
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
      return ErrnoStatus(errno, "connect the frontend");
    }
    UniqueFd ours(sockets[0]);
    sandbox::ProcessIo io;
    io.input.Reset(sockets[1]);
    io.output.Reset(fcntl(sockets[1], F_DUPFD_CLOEXEC, 0));
    ASSIGN_OR_RETURN(FdPair errors, MakePipe());
    io.error = std::move(errors.write);
    ErrorText error_text(std::move(errors.read));
    return Converse(bridge, request, spec, ProcessOf(loaded.image, bridge, request), std::move(io),
                    std::move(ours), error_text, cancel);
  }

  // Runs the program and serves it until it has returned a result.
  StatusOr<solver::FrontendResult> Converse(solver::Bridge& bridge,
                                            const solver::FrontendRequest& request,
                                            const sandbox::ContainerSpec& spec,
                                            const sandbox::ProcessSpec& process,
                                            sandbox::ProcessIo io, UniqueFd connection,
                                            ErrorText& error_text, const CancelToken& cancel) {
    ASSIGN_OR_RETURN(auto container,
                     environment_.executor.Start(spec, process, std::move(io), cancel));
    CancelSource ended(cancel);
    sandbox::RunOutcome outcome;
    std::thread waiter = StartThread("frontend-wait", [&] {
      outcome = container->first().Wait(cancel);
      ended.Cancel("the frontend has ended");
    });
    auto result = environment_.server.Serve(bridge, request, std::move(connection), ended.token());
    const bool gave_none = absl::IsCancelled(result.status());
    container->Kill();
    waiter.join();
    container.reset();
    RETURN_IF_ERROR(cancel.Check());
    if (gave_none) {
      return absl::UnknownError(absl::StrCat("frontend ended without a result: ",
                                             sandbox::ToString(outcome), ": ", error_text.Take()));
    }
    return result;
  }

  const GatewayEnvironment environment_;
};

}  // namespace

std::unique_ptr<solver::Frontend> MakeGatewayFrontend(GatewayEnvironment environment) {
  return std::make_unique<GatewayFrontend>(std::move(environment));
}

}  // namespace cairn::gateway

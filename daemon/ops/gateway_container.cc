#include "daemon/ops/gateway_container.h"

#include <signal.h>
#include <unistd.h>

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/llb/errors.h"
#include "daemon/ops/exec_spec.h"

namespace cairn::ops {
namespace {

constexpr uint32_t kUnknownStatus = 255;

StatusOr<int> SignalNumber(string_view name) {
  static const std::map<std::string, int> kSignals = {
      {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},       {"CHLD", SIGCHLD},
      {"CONT", SIGCONT}, {"FPE", SIGFPE},   {"HUP", SIGHUP},       {"ILL", SIGILL},
      {"INT", SIGINT},   {"IO", SIGIO},     {"KILL", SIGKILL},     {"PIPE", SIGPIPE},
      {"PROF", SIGPROF}, {"PWR", SIGPWR},   {"QUIT", SIGQUIT},     {"SEGV", SIGSEGV},
      {"STOP", SIGSTOP}, {"SYS", SIGSYS},   {"TERM", SIGTERM},     {"TRAP", SIGTRAP},
      {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},
      {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH},
      {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}};
  const auto found = kSignals.find(std::string(name));
  if (found == kSignals.end()) {
    return absl::InvalidArgumentError(absl::StrCat("unknown signal ", name));
  }
  return found->second;
}

// The failure of a program that cannot be started has the code that a shell would give it.
Status WithShellCode(Status started, sandbox::Process& process) {
  if (!absl::IsFailedPrecondition(started)) {
    return started;
  }
  const sandbox::RunOutcome outcome = process.Wait();
  return outcome.step == sandbox::SetupStep::kExec
             ? llb::WithExitCode(std::move(started), static_cast<uint32_t>(outcome.exit_code))
             : started;
}

Status Released() { return absl::CancelledError("the container was released: context canceled"); }

}  // namespace

GatewayProcess::~GatewayProcess() {
  CloseInput();
  if (joined_ != nullptr) {
    joined_.reset();
  } else if (container_ != nullptr) {
    container_->Kill();
  }
  pump_.reset();
}

Status GatewayProcess::WriteInput(string_view data) {
  MutexLock lock(mu_);  // input stays in order; only other input waits for it
  if (!input_.valid()) {
    return absl::UnavailableError("stdin is closed");
  }
  return WriteAll(input_.get(), data);
}

void GatewayProcess::CloseInput() {
  MutexLock lock(mu_);
  input_.Reset();
}

Status GatewayProcess::Resize(uint16_t rows, uint16_t columns) {
  return process_->Resize(rows, columns);
}

Status GatewayProcess::Signal(string_view name) {
  ASSIGN_OR_RETURN(const int number, SignalNumber(name));
  return process_->Signal(number);
}

Status GatewayProcess::Wait(const CancelToken& cancel) {
  const sandbox::RunOutcome outcome = process_->Wait(cancel);
  pump_.reset();
  if (outcome.success()) {
    return absl::OkStatus();
  }
  if (released_.cancelled()) {
    return Released();
  }
  const bool ran = outcome.kind == sandbox::RunOutcome::Kind::kExited ||
                   outcome.kind == sandbox::RunOutcome::Kind::kSignalled ||
                   outcome.kind == sandbox::RunOutcome::Kind::kOomKilled;
  const uint32_t code = ran ? static_cast<uint32_t>(outcome.exit_code) : kUnknownStatus;
  return llb::WithExitCode(
      absl::UnknownError(
          absl::StrCat("exit code: ", code, outcome.message.empty() ? "" : ": ", outcome.message)),
      code);
}

StatusOr<std::unique_ptr<GatewayContainer>> GatewayContainer::Create(
    const ExecEnvironment& environment, Options options, gc::Lease& lease,
    const CancelToken& cancel) {
  std::unique_ptr<GatewayContainer> container(
      new GatewayContainer(environment, std::move(options)));
  ASSIGN_OR_RETURN(container->mounts_,
                   ExecMounts::Prepare(environment.stores,
                                       {.mounts = container->options_.mounts,
                                        .cwd = "/",
                                        .inputs = container->options_.inputs,
                                        .sessions = container->options_.sessions,
                                        .lease = lease,
                                        .description = "gateway container"},
                                       cancel));
  return container;
}

GatewayContainer::~GatewayContainer() { Release().IgnoreError(); }

Status GatewayContainer::Release() {
  released_.Cancel();
  std::shared_ptr<sandbox::Container> container;
  {
    MutexLock lock(mu_);
    container = container_;
  }
  if (container == nullptr) {
    return absl::OkStatus();
  }
  const bool running = container->first().Signal(0).ok();
  container->Kill();
  return running ? Released() : absl::OkStatus();
}

Status GatewayContainer::Launch(const ProcessOptions& options, const sandbox::ProcessSpec& spec,
                                sandbox::ProcessIo io, GatewayProcess& process,
                                const CancelToken& cancel) {
  MutexLock lock(mu_);
  if (released_.token().cancelled()) {
    return Released();
  }
  process.mounts_ = mounts_;
  process.released_ = released_.token();
  if (container_ != nullptr) {
    ASSIGN_OR_RETURN(process.joined_, container_->Join(spec, std::move(io)));
    process.container_ = container_;
    process.process_ = process.joined_.get();
    return absl::OkStatus();
  }
  pb::ExecOp exec;
  *exec.mutable_meta() = options.meta;
  exec.mutable_meta()->set_hostname(options_.hostname);
  for (const pb::HostIP& host : options_.extra_hosts) {
    *exec.mutable_meta()->add_extrahosts() = host;
  }
  exec.set_network(options_.network);
  exec.set_security(options.security);
  ASSIGN_OR_RETURN(sandbox::ContainerSpec container,
                   ContainerOf(exec, pb::LinuxResources(), options_.entitlements));
  container.root = mounts_->root();
  container.mounts = mounts_->mounts();
  ASSIGN_OR_RETURN(container_, environment_.executor.Start(container, spec, std::move(io), cancel));
  process.container_ = container_;
  process.process_ = &container_->first();
  return absl::OkStatus();
}

StatusOr<GatewayContainer::MountView> GatewayContainer::View(int64_t index) {
  if (index < 0 || index >= options_.mounts.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the container has no mount ", index));
  }
  const pb::Mount& mount = options_.mounts[static_cast<int>(index)];
  std::shared_ptr<sandbox::Container> container;
  {
    MutexLock lock(mu_);
    container = container_;
  }
  MountView view;
  if (container == nullptr) {
    if (mount.mounttype() != pb::BIND) {
      return absl::InvalidArgumentError(absl::StrCat(
          "mount ", mount.dest(), " can be looked at when a process runs in the container"));
    }
    if (mount.input() >= 0) {
      view.initial = options_.inputs[static_cast<size_t>(mount.input())];
    } else {
      ASSIGN_OR_RETURN(view.initial, environment_.stores.chains.Scratch());
    }
    view.directory = mount.selector();
    return view;
  }
  ASSIGN_OR_RETURN(UniqueFd root, container->first().OpenRoot());
  ASSIGN_OR_RETURN(view.live, fs::RootDir(std::move(root)).OpenDirectory(mount.dest()));
  return view;
}

StatusOr<std::unique_ptr<GatewayProcess>> GatewayContainer::Start(ProcessOptions options,
                                                                  const CancelToken& cancel) {
  sandbox::ProcessSpec spec = ProcessOf(options.meta, options_.os);
  spec.terminal = options.terminal;
  if (options.terminal) {
    AddDefault(spec.env, "TERM", "xterm");
  }
  for (const pb::SecretEnv& secret : options.secrets) {
    ASSIGN_OR_RETURN(const std::optional<std::string> value,
                     FindSecret(environment_.stores.sessions, options_.sessions, secret.id(),
                                secret.optional(), cancel));
    spec.env.push_back(absl::StrCat(secret.name(), "=", value.value_or("")));
  }
  std::unique_ptr<GatewayProcess> process(new GatewayProcess());
  sandbox::ProcessIo io;
  UniqueFd input;
  if (!options.terminal) {
    ASSIGN_OR_RETURN(FdPair pipe, MakePipe());
    io.input = std::move(pipe.read);
    input = std::move(pipe.write);
    ASSIGN_OR_RETURN(process->pump_, OutputPump::Start(io, options.output));
  }
  RETURN_IF_ERROR(Launch(options, spec, std::move(io), *process, cancel));
  RETURN_IF_ERROR(WithShellCode(process->process_->WaitStarted(cancel), *process->process_));
  {
    MutexLock lock(mu_);
    started_ = true;
  }
  if (options.terminal) {
    UniqueFd terminal = process->process_->TakeTerminal();
    input.Reset(dup(terminal.get()));
    process->pump_ = OutputPump::Read(std::move(terminal), options.output);
  }
  MutexLock lock(process->mu_);
  process->input_ = std::move(input);
  return process;
}

StatusOr<UniqueFd> GatewayContainer::Connect(uint16_t port, const CancelToken& cancel) {
  std::shared_ptr<sandbox::Container> container;
  {
    MutexLock lock(mu_);
    if (!started_ || released_.token().cancelled()) {
      return absl::FailedPreconditionError("no process runs in the container");
    }
    container = container_;
  }
  return container->Connect(port, cancel);
}

}  // namespace cairn::ops

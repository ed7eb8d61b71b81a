#include "tests/e2e/fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "runtime/base/cancel.h"
#include "runtime/base/fd.h"

namespace cairn::e2e {
namespace {

constexpr absl::Duration kStartLimit = absl::Seconds(30);

std::vector<std::string> Environment(const std::vector<std::string>& extra) {
  std::vector<std::string> environment = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
      "/sbin:/bin",
      "HOME=/nonexistent"};
  environment.insert(environment.end(), extra.begin(), extra.end());
  return environment;
}

// Asks again and again, ended early when the process has died, until `ready` or the limit.
template <typename Ready>
Status WaitUntil(Subprocess& process, const std::string& what, const Ready& ready) {
  const absl::Time deadline = absl::Now() + kStartLimit;
  while (!ready()) {
    if (::kill(process.pid(), 0) != 0 || absl::Now() > deadline) {
      return absl::UnavailableError(absl::StrCat(what, " did not start"));
    }
    CancelToken().WaitFor(absl::Milliseconds(10));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const std::string& directory, Options options) {
  auto daemon = std::make_unique<Daemon>();
  daemon->address_ = absl::StrCat("unix://", directory, "/cairnd.sock");
  daemon->log_path_ = directory + "/cairnd.log";
  RETURN_IF_ERROR(WriteFileDurably(directory + "/cairnd.toml", options.config));
  ASSIGN_OR_RETURN(const UniqueFd log, OpenForAppending(daemon->log_path_));
  SubprocessOptions start{.argv = {ProgramPath("cairnd"), "--root", directory + "/root", "--addr",
                                   daemon->address_, "--config", directory + "/cairnd.toml"},
                          .environment = Environment(options.environment),
                          .descriptors = {{1, log.get()}, {2, log.get()}}};
  start.argv.insert(start.argv.end(), options.flags.begin(), options.flags.end());
  ASSIGN_OR_RETURN(daemon->process_, Subprocess::Start(start));
  auto answer = RunCommand({.argv = {ProgramPath("cairn"), "--addr", daemon->address_, "workers",
                                     "--wait", absl::FormatDuration(kStartLimit)},
                            .environment = Environment({})});
  if (!answer.ok() || answer->exit_code != 0) {
    return absl::UnavailableError("cairnd did not start: " + daemon->Log());
  }
  return daemon;
}

StatusOr<int> Daemon::Stop() {
  process_->Kill(SIGTERM);
  return process_->Wait();
}

void Daemon::Kill() {
  process_->Kill(SIGKILL);
  (void)process_->Wait();
}

std::string Daemon::Log() const {
  auto log = ReadFile(log_path_, 64 << 20);
  return log.ok() ? *log : std::string(log.status().message());
}

StatusOr<std::unique_ptr<Registry>> Registry::Start(const std::string& directory) {
  auto registry = std::make_unique<Registry>();
  // The program cannot take port 0: it gets one that was free a moment ago.
  ASSIGN_OR_RETURN(LoopbackPort free, LoopbackPort::Bind(false));
  free.fd.Reset();
  const int port = free.port;
  registry->host_ = absl::StrCat("localhost:", port);
  const std::string config = directory + "/registry.yml";
  RETURN_IF_ERROR(WriteFileDurably(
      config, absl::StrCat("version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: "
                           "{rootdirectory: ",
                           directory,
                           "/registry}\n  delete: {enabled: true}\nhttp: {addr: '127.0.0.1:", port,
                           "'}\n")));
  ASSIGN_OR_RETURN(const UniqueFd log, OpenForAppending(directory + "/registry.log"));
  ASSIGN_OR_RETURN(registry->process_,
                   Subprocess::Start({.argv = {"docker-registry", "serve", config},
                                      .environment = Environment({}),
                                      .descriptors = {{1, log.get()}, {2, log.get()}}}));
  RETURN_IF_ERROR(WaitUntil(*registry->process_, "docker-registry", [port] {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }));
  return registry;
}

void DaemonTest::SetUp() {
  ASSERT_OK_AND_ASSIGN(daemon_, Daemon::Start(directory_.path()));
  std::filesystem::create_directories(directory_ / "context");
  WriteBusybox();
  const CommandOutput made =
      Cairn({"build", "--progress=plain", "-t", "busybox", directory_ / "busybox"});
  ASSERT_EQ(made.exit_code, 0) << made.err << daemon_->Log();
}

void DaemonTest::WriteBusybox() {
  std::filesystem::create_directories(directory_ / "busybox");
  std::filesystem::copy_file("/bin/busybox", directory_ / "busybox/busybox",
                             std::filesystem::copy_options::overwrite_existing);
  directory_.Write("busybox/Dockerfile",
                   "FROM scratch\n"
                   "COPY busybox /bin/busybox\n"
                   "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n"
                   "RUN mkdir -p /tmp /root /etc && chmod 1777 /tmp && "
                   "echo root:x:0:0:root:/root:/bin/sh > /etc/passwd && "
                   "echo app:x:1000:1000:app:/:/bin/sh >> /etc/passwd && "
                   "echo root:x:0: > /etc/group && echo app:x:1000: >> /etc/group\n"
                   "CMD [\"sh\"]\n");
}

CommandOutput DaemonTest::Cairn(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), {"cairn", "--addr", daemon_->address()});
  return RunProgram(std::move(arguments), {}, input);
}

CommandOutput DaemonTest::Build(const std::string& dockerfile, std::vector<std::string> arguments) {
  WriteContext("Dockerfile", dockerfile);
  arguments.insert(arguments.begin(), {"build", "--progress=plain"});
  arguments.push_back(directory_ / "context");
  return Cairn(std::move(arguments));
}

void DaemonTest::Restart(Daemon::Options options) {
  ASSERT_THAT(daemon_->Stop(), testing::IsOkAndHolds(0)) << daemon_->Log();
  ASSERT_OK_AND_ASSIGN(daemon_, Daemon::Start(directory_.path(), std::move(options)));
}

CommandOutput RunProgram(std::vector<std::string> argv, const std::vector<std::string>& environment,
                         const std::string& input) {
  if (std::filesystem::exists(ProgramPath(argv[0]))) {
    argv[0] = ProgramPath(argv[0]);
  }
  auto output =
      RunCommand({.argv = std::move(argv), .environment = Environment(environment)}, input);
  return output.ok()
             ? *output
             : CommandOutput{.exit_code = -1, .err = std::string(output.status().message())};
}

std::string ProgramPath(const std::string& name) {
  return absl::StrCat(CAIRN_BINARY_DIR, "/", name);
}

StatusOr<UniqueFd> OpenForAppending(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd.valid()) {
    return ErrnoStatus(errno, path);
  }
  return fd;
}

StatusOr<LoopbackPort> LoopbackPort::Bind(bool listening) {
  LoopbackPort bound{.fd = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), .port = 0};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(bound.fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(bound.fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      (listening && ::listen(bound.fd.get(), 16) != 0)) {
    return ErrnoStatus(errno, "bind");
  }
  bound.port = ntohs(address.sin_port);
  return bound;
}

bool ReadUntil(int descriptor, const std::string& text) {
  std::string seen;
  char buffer[1 << 12];
  while (seen.find(text) == std::string::npos) {
    const ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got <= 0) {
      return false;
    }
    seen.append(buffer, static_cast<size_t>(got));
  }
  return true;
}

bool Eventually(const std::function<bool()>& holds) {
  const absl::Time deadline = absl::Now() + kStartLimit;
  while (!holds()) {
    if (absl::Now() > deadline) {
      return false;
    }
    CancelToken().WaitFor(absl::Milliseconds(10));
  }
  return true;
}

bool HasProgram(const std::string& name) {
  return RunProgram({"sh", "-c", "command -v \"$0\"", name}).exit_code == 0;
}

}  // namespace cairn::e2e

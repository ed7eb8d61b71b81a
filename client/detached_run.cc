#include "client/detached_run.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/exit_code.h"
#include "runtime/base/fd.h"
#include "runtime/base/subprocess.h"

extern char** environ;

namespace cairn::client {
namespace {

constexpr char kIdVariable[] = "CAIRN_DETACHED_RUN";
// Where the background tells the foreground: kStarted, or what went wrong.
constexpr int kReport = 3;
constexpr char kStarted[] = "started";
constexpr uint64_t kMaxReport = 64 << 10;
constexpr off_t kMaxLog = 1 << 20;

std::string NewId() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string id(12, '0');
  for (char& c : id) {
    c = kDigits[random() % 16];
  }
  return id;
}

StatusOr<std::vector<std::string>> OwnArguments() {
  ASSIGN_OR_RETURN(std::string line, ReadFile("/proc/self/cmdline"));
  if (!line.empty()) {
    line.pop_back();  // each argument ends with a NUL
  }
  return std::vector<std::string>(absl::StrSplit(line, '\0'));
}

// Appends to the log that stdout is. When it gets long only its end is kept.
void WriteLog(string_view data) {
  if (!WriteAll(STDOUT_FILENO, data).ok()) {
    return;
  }
  const off_t size = ::lseek(STDOUT_FILENO, 0, SEEK_END);
  if (size > kMaxLog) {
    const auto end = ReadAt(STDOUT_FILENO, static_cast<uint64_t>(size - kMaxLog / 2), kMaxLog / 2);
    if (end.ok() && ::ftruncate(STDOUT_FILENO, 0) == 0) {
      WriteAll(STDOUT_FILENO, *end).IgnoreError();
    }
  }
}

}  // namespace

std::optional<std::string> DetachedRunId() {
  const char* id = std::getenv(kIdVariable);
  return id == nullptr ? std::nullopt : std::optional<std::string>(id);
}

StatusOr<std::string> Detach(const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const RunRecords records, RunRecords::Open());
  ASSIGN_OR_RETURN(FdPair report, MakePipe());
  ASSIGN_OR_RETURN(const std::vector<std::string> arguments, OwnArguments());
  const std::string id = NewId();
  const std::string log_path = records.LogPath(id);
  const UniqueFd log(
      ::open(log_path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
  if (!log.valid()) {
    return ErrnoStatus(errno, absl::StrCat("make ", log_path));
  }
  std::vector<std::string> environment = {absl::StrCat(kIdVariable, "=", id)};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.push_back(*variable);
  }
  const SubprocessOptions options = {
      .argv = arguments,
      .environment = environment,
      .descriptors = {{1, log.get()}, {2, log.get()}, {kReport, report.write.get()}},
      .program = "/proc/self/exe",
      .new_session = true};
  ASSIGN_OR_RETURN(const std::unique_ptr<Subprocess> background, Subprocess::Start(options));
  report.write.Reset();
  StatusOr<std::string> word = std::string();
  {
    const CancelCallback stop(cancel, [&background] { background->Kill(SIGKILL); });
    word = ReadAll(report.read.get(), kMaxReport);
  }
  if (word.ok() && *word == kStarted && !cancel.cancelled()) {
    background->Disown();
    return id;
  }
  ::unlink(log_path.c_str());
  RETURN_IF_ERROR(cancel.Check());
  RETURN_IF_ERROR(word.status());
  ASSIGN_OR_RETURN(const int code, background->Wait());
  return WithExitCode(
      absl::UnknownError(word->empty() ? "the run in the background ended unexpectedly" : *word),
      code);
}

StatusOr<int> RunDetached(Connection& connection, const RunRequest& request, const std::string& id,
                          bool remove, const std::function<std::string()>& stop_signal,
                          const CancelToken& cancel) {
  ::unsetenv(kIdVariable);
  UniqueFd report(kReport);
  ::fcntl(kReport, F_SETFD, FD_CLOEXEC);
  ASSIGN_OR_RETURN(RunRecords records, RunRecords::Open());
  DetachedRun run = {.id = id,
                     .pid = ::getpid(),
                     .image = request.image,
                     .command = absl::StrJoin(request.command, " "),
                     .started = absl::Now()};
  StatusOr<std::unique_ptr<RunRecord>> record = records.Make(run);
  StatusOr<int> code = 0;
  const RunLinks links = {
      .output = [](int, string_view data) { WriteLog(data); },
      .started =
          [&](const std::vector<std::string>& arguments, const std::vector<PublishedPort>& ports) {
            run.started = absl::Now();
            run.command = absl::StrJoin(arguments, " ");
            run.ports = absl::StrJoin(ports, ", ", [](std::string* out, const PublishedPort& port) {
              absl::StrAppend(out, port.ToString());
            });
            (*record)->Save(run).IgnoreError();
            WriteAll(report.get(), kStarted).IgnoreError();
            report.Reset();
          },
      .stop_signal = stop_signal,
      .attached = false};
  if (record.ok()) {
    code = RunContainer(connection, request, links, cancel);
  } else {
    code = record.status();
  }
  if (report.valid() && !code.ok()) {
    WriteAll(report.get(), code.status().message()).IgnoreError();
  }
  if (record.ok() && (report.valid() || cancel.cancelled() || remove)) {
    (*record)->Remove();
  } else if (record.ok()) {
    run.exit_code = code.ok() ? *code : ExitCodeOf(code.status());
    RETURN_IF_ERROR((*record)->Save(run));
  }
  return code;
}

}  // namespace cairn::client

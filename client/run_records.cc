#include "client/run_records.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace cairn::client {
namespace {

using nlohmann::json;

constexpr char kRecordSuffix[] = ".json";
// A little longer than a run gives its command.
constexpr absl::Duration kStopTime = absl::Seconds(13);

std::string FolderOfThisUser() {
  if (::geteuid() == 0) {
    return "/run/cairn-runs";
  }
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime != nullptr && *runtime == '/' ? absl::StrCat(runtime, "/cairn-runs")
                                               : absl::StrCat("/tmp/cairn-runs-", ::geteuid());
}

std::string Encode(const DetachedRun& run) {
  json record = {{"id", run.id},       {"pid", run.pid},
                 {"image", run.image}, {"command", run.command},
                 {"ports", run.ports}, {"started", absl::ToUnixSeconds(run.started)},
                 {"exitCode", nullptr}};
  if (run.exit_code.has_value()) {
    record["exitCode"] = *run.exit_code;
  }
  return record.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<DetachedRun> Decode(const std::string& text) {
  const json record = json::parse(text, nullptr, false);
  if (!record.is_object() || !record.contains("pid") || !record["pid"].is_number_integer()) {
    return std::nullopt;
  }
  DetachedRun run;
  run.id = record.value("id", "");
  run.pid = record["pid"].get<pid_t>();
  run.image = record.value("image", "");
  run.command = record.value("command", "");
  run.ports = record.value("ports", "");
  run.started = absl::FromUnixSeconds(record.value("started", int64_t{0}));
  if (record.contains("exitCode") && record["exitCode"].is_number_integer()) {
    run.exit_code = record["exitCode"].get<int>();
  }
  return run;
}

// Whether the process that made the record still lives.
bool IsHeld(int file) {
  if (::flock(file, LOCK_SH | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK;
  }
  ::flock(file, LOCK_UN);
  return false;
}

// Waits until the process has ended; false after `timeout` or when cancelled.
bool AwaitEnd(int pidfd, absl::Duration timeout, const CancelToken& cancel) {
  const absl::Time deadline = absl::Now() + timeout;
  while (absl::Now() < deadline && !cancel.cancelled()) {
    pollfd ended = {pidfd, POLLIN, 0};
    if (::poll(&ended, 1, 100) > 0) {
      return true;
    }
  }
  return false;
}

void Send(int pidfd, int signal) { ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0); }

}  // namespace

RunRecord::RunRecord(std::string folder, std::string id, UniqueFd file)
    : folder_(std::move(folder)), id_(std::move(id)), file_(std::move(file)) {}

Status RunRecord::Save(const DetachedRun& run) {
  const std::string text = Encode(run);
  if (::pwrite(file_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ::ftruncate(file_.get(), static_cast<off_t>(text.size())) != 0) {
    return ErrnoStatus(errno, absl::StrCat("write the record of run ", id_));
  }
  return absl::OkStatus();
}

void RunRecord::Remove() {
  ::unlink(absl::StrCat(folder_, "/", id_, kRecordSuffix).c_str());
  ::unlink(absl::StrCat(folder_, "/", id_, ".log").c_str());
}

StatusOr<RunRecords> RunRecords::Open() {
  const std::string folder = FolderOfThisUser();
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make ", folder));
  }
  struct stat info = {};
  if (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() ||
      (info.st_mode & 0077) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat(folder, " must be a directory that is yours alone; remove what is there"));
  }
  return RunRecords(folder);
}

std::string RunRecords::RecordPath(const std::string& id) const {
  return absl::StrCat(folder_, "/", id, kRecordSuffix);
}

std::string RunRecords::LogPath(const std::string& id) const {
  return absl::StrCat(folder_, "/", id, ".log");
}

void RunRecords::Remove(const std::string& id) {
  ::unlink(RecordPath(id).c_str());
  ::unlink(LogPath(id).c_str());
}

StatusOr<std::unique_ptr<RunRecord>> RunRecords::Make(const DetachedRun& run) {
  // Locked and written before it gets its name, so that nobody takes it for a dead one's.
  const std::string fresh = absl::StrCat(folder_, "/.", run.id);
  UniqueFd file(::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid() || ::flock(file.get(), LOCK_EX) != 0) {
    return ErrnoStatus(errno, absl::StrCat("make ", fresh));
  }
  auto record = std::make_unique<RunRecord>(folder_, run.id, std::move(file));
  const Status saved = record->Save(run);
  if (!saved.ok() || ::rename(fresh.c_str(), RecordPath(run.id).c_str()) != 0) {
    const Status failed = saved.ok() ? ErrnoStatus(errno, "rename") : saved;
    ::unlink(fresh.c_str());
    return failed;
  }
  return record;
}

StatusOr<std::vector<DetachedRun>> RunRecords::List() {
  std::vector<DetachedRun> runs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    string_view id = "";
    const std::string name = entry.path().filename();
    id = name;
    if (!absl::ConsumeSuffix(&id, kRecordSuffix)) {
      continue;
    }
    const UniqueFd file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file.valid()) {
      continue;
    }
    const bool held = IsHeld(file.get());
    const auto text = ReadAll(file.get(), 1 << 20);
    std::optional<DetachedRun> run = text.ok() ? Decode(*text) : std::nullopt;
    if (run.has_value() && run->id == id && (held || run->exit_code.has_value())) {
      runs.push_back(std::move(*run));
    } else if (!held) {
      Remove(std::string(id));
    }
  }
  std::sort(runs.begin(), runs.end(), [](const DetachedRun& a, const DetachedRun& b) {
    return std::tie(a.started, a.id) < std::tie(b.started, b.id);
  });
  return runs;
}

StatusOr<DetachedRun> RunRecords::Find(const std::string& id) {
  ASSIGN_OR_RETURN(const std::vector<DetachedRun> runs, List());
  const DetachedRun* found = nullptr;
  for (const DetachedRun& run : runs) {
    if (!id.empty() && absl::StartsWith(run.id, id)) {
      if (found != nullptr) {
        return absl::InvalidArgumentError(
            absl::StrCat("several runs begin with ", id, "; give more of the id"));
      }
      found = &run;
    }
  }
  if (found == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("no such run: ", id, "; \"cairn ps -a\" lists those of this user"));
  }
  return *found;
}

Status RunRecords::Stop(const DetachedRun& run, const CancelToken& cancel) {
  const UniqueFd file(::open(RecordPath(run.id).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, run.pid, 0)));
  // Held after the process was opened: so the number was still this run's then.
  if (file.valid() && process.valid() && IsHeld(file.get())) {
    Send(process.get(), SIGTERM);
    if (!AwaitEnd(process.get(), kStopTime, cancel)) {
      RETURN_IF_ERROR(cancel.Check());
      Send(process.get(), SIGKILL);
      AwaitEnd(process.get(), kStopTime, cancel);
    }
  }
  Remove(run.id);
  return absl::OkStatus();
}

}  // namespace cairn::client

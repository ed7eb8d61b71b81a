#include "tests/e2e/leftovers.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "runtime/base/digest.h"
#include "runtime/base/fd.h"

namespace cairn::e2e {
namespace {

namespace stdfs = std::filesystem;

// Reads a file of /proc; empty for a process that has ended meanwhile.
std::string ReadOf(pid_t pid, const char* name) {
  return ReadFile(absl::StrCat("/proc/", pid, "/", name)).value_or("");
}

std::vector<pid_t> AllProcesses() {
  std::vector<pid_t> pids;
  for (const auto& entry : stdfs::directory_iterator("/proc")) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(entry.path().filename().string(), &pid)) {
      pids.push_back(pid);
    }
  }
  return pids;
}

std::string CommandOf(pid_t pid) {
  std::string command = ReadOf(pid, "cmdline");
  std::replace(command.begin(), command.end(), '\0', ' ');
  return absl::StrCat(pid, ": ", command);
}

pid_t ParentOf(pid_t pid) {
  const std::string stat = ReadOf(pid, "stat");
  const size_t name_end = stat.rfind(')');
  pid_t parent = 0;
  if (name_end != std::string::npos) {
    const std::vector<std::string> fields =
        absl::StrSplit(stat.substr(name_end + 1), ' ', absl::SkipEmpty());
    if (fields.size() > 1 && !absl::SimpleAtoi(fields[1], &parent)) {
      parent = 0;
    }
  }
  return parent;
}

}  // namespace

std::vector<std::string> MountsBelow(const std::string& directory) {
  std::vector<std::string> mounts;
  const auto table = ReadFile("/proc/self/mountinfo");
  if (!table.ok()) {
    return {std::string(table.status().message())};
  }
  const std::vector<std::string> lines = absl::StrSplit(*table, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    if (fields.size() > 4 && absl::StartsWith(fields[4], directory + "/")) {
      mounts.push_back(fields[4]);
    }
  }
  return mounts;
}

std::vector<std::string> ProcessesWith(const std::string& variable) {
  std::vector<std::string> found;
  for (const pid_t pid : AllProcesses()) {
    const std::string environment = ReadOf(pid, "environ");
    const std::vector<std::string> variables = absl::StrSplit(environment, '\0');
    if (std::count(variables.begin(), variables.end(), variable) > 0) {
      found.push_back(CommandOf(pid));
    }
  }
  return found;
}

std::vector<std::string> CgroupsOf(const std::string& root) {
  // As the sandbox names them: after the directory of the executor's state.
  const std::string key = Digest::Of(root + "/executor").hex().substr(0, 12);
  std::vector<std::string> groups;
  std::error_code error;
  for (const auto& hierarchy : stdfs::directory_iterator("/sys/fs/cgroup", error)) {
    for (const stdfs::path& parent :
         {stdfs::path("/sys/fs/cgroup/cairn"), hierarchy.path() / "cairn"}) {
      for (const auto& group : stdfs::directory_iterator(parent, error)) {
        if (absl::StartsWith(group.path().filename().string(), key)) {
          groups.push_back(group.path().string());
        }
      }
    }
  }
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  return groups;
}

OrphanWatch::OrphanWatch() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

std::vector<std::string> OrphanWatch::Survivors(absl::Duration limit) const {
  const absl::Time deadline = absl::Now() + limit;
  std::vector<std::string> survivors;
  // Reaping one may hand over its own children.
  for (bool reaped = true; reaped;) {
    reaped = false;
    survivors.clear();
    for (const pid_t pid : AllProcesses()) {
      if (ParentOf(pid) != ::getpid()) {
        continue;
      }
      const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
      pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
      const absl::Duration left = std::max(deadline - absl::Now(), absl::ZeroDuration());
      if (::poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(left))) == 1) {
        ::waitpid(pid, nullptr, 0);
        reaped = true;
      } else {
        survivors.push_back(CommandOf(pid));
      }
    }
  }
  return survivors;
}

}  // namespace cairn::e2e

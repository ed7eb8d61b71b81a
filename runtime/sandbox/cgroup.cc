#include "runtime/sandbox/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/cancel.h"
#include "runtime/sandbox/cgroup_tree.h"

namespace cairn::sandbox {
namespace {

// How long a killed process may take to be gone, and how often that is looked at.
constexpr absl::Duration kRemoveDeadline = absl::Seconds(10);
constexpr absl::Duration kRemoveInterval = absl::Milliseconds(1);

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// The number in a file that holds nothing else; 0 without one.
uint64_t ReadNumber(const std::string& path) {
  uint64_t value = 0;
  const StatusOr<std::string> text = ReadCgroupFile(path);
  return text.ok() && absl::SimpleAtoi(*text, &value) ? value : 0;
}

// The number after `key` in a file of "key number" lines; 0 without one.
uint64_t ReadKeyed(const std::string& path, string_view key) {
  const StatusOr<std::string> text = ReadCgroupFile(path);
  if (!text.ok()) {
    return 0;
  }
  for (const auto line : absl::StrSplit(*text, '\n')) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    uint64_t value = 0;
    if (pair.first == key && absl::SimpleAtoi(pair.second, &value)) {
      return value;
    }
  }
  return 0;
}

// cpu.shares (2..262144) on the scale of cpu.weight (1..10000).
int64_t WeightOfShares(int64_t shares) {
  const int64_t clamped = std::min<int64_t>(std::max<int64_t>(shares, 2), 262144);
  return 1 + (clamped - 2) * 9999 / 262142;
}

StatusOr<UniqueFd> OpenProcs(const std::string& directory) {
  const std::string path = directory + "/cgroup.procs";
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.valid() ? StatusOr<UniqueFd>(std::move(file))
                      : ErrnoStatus(errno, absl::StrCat("open ", path));
}

std::string MaxOr(int64_t value) { return value < 0 ? "max" : absl::StrCat(value); }

}  // namespace

Cgroup::~Cgroup() { Remove().IgnoreError(); }

Status Cgroup::MakeDirectory(const std::string& mount, bool unified) {
  const std::string path = absl::StrCat(mount, "/", relative_path_);
  if (::mkdir(path.c_str(), 0755) != 0) {
    return ErrnoStatus(errno, absl::StrCat("make control group ", path));
  }
  directories_.push_back({path, unified, false});
  return absl::OkStatus();
}

StatusOr<std::string> Cgroup::DirectoryFor(const std::string& controller) {
  if (tree_.unified_has(controller)) {
    return directories_.front().path;
  }
  const std::string mount = tree_.LegacyMount(controller);
  if (mount.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the ", controller, " cgroup controller is not available on this host"));
  }
  const std::string path = absl::StrCat(mount, "/", relative_path_);
  if (!Exists(path)) {
    const std::string parent = path.substr(0, path.rfind('/'));
    if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, absl::StrCat("make control group ", parent));
    }
    RETURN_IF_ERROR(MakeDirectory(mount, false));
  }
  return path;
}

Status Cgroup::ApplyLimits(const ResourceLimits& limits) {
  if (limits.memory_bytes != 0 || limits.memory_swap_bytes != 0) {
    RETURN_IF_ERROR_IN(LimitMemory(limits), "limit memory");
  }
  if (limits.cpu_shares != 0 || limits.cpu_quota_us != 0 || limits.cpu_period_us != 0) {
    RETURN_IF_ERROR_IN(LimitProcessor(limits), "limit processor time");
  }
  if (!limits.cpuset_cpus.empty() || !limits.cpuset_mems.empty()) {
    RETURN_IF_ERROR_IN(LimitCpuset(limits), "limit processors");
  }
  if (limits.pids_max != 0) {
    ASSIGN_OR_RETURN_IN(const std::string directory, DirectoryFor("pids"), "limit processes");
    RETURN_IF_ERROR(WriteCgroupFile(directory + "/pids.max", MaxOr(limits.pids_max)));
  }
  return absl::OkStatus();
}

Status Cgroup::LimitMemory(const ResourceLimits& limits) {
  ASSIGN_OR_RETURN(const std::string directory, DirectoryFor("memory"));
  const int64_t memory = limits.memory_bytes;
  const int64_t both = limits.memory_swap_bytes;
  if (tree_.unified_has("memory")) {
    if (memory != 0) {
      RETURN_IF_ERROR(WriteCgroupFile(directory + "/memory.max", MaxOr(memory)));
      // A step that lost one process to the killer is not a step that can succeed.
      WriteCgroupFile(directory + "/memory.oom.group", "1").IgnoreError();
    }
    if (both != 0 && Exists(directory + "/memory.swap.max")) {
      RETURN_IF_ERROR(
          WriteCgroupFile(directory + "/memory.swap.max",
                          MaxOr(both < 0 ? both : std::max<int64_t>(0, both - memory))));
    }
    return absl::OkStatus();
  }
  if (memory != 0) {
    RETURN_IF_ERROR(WriteCgroupFile(directory + "/memory.limit_in_bytes", absl::StrCat(memory)));
  }
  if (both != 0 && Exists(directory + "/memory.memsw.limit_in_bytes")) {
    RETURN_IF_ERROR(
        WriteCgroupFile(directory + "/memory.memsw.limit_in_bytes", absl::StrCat(both)));
  }
  return absl::OkStatus();
}

Status Cgroup::LimitProcessor(const ResourceLimits& limits) {
  constexpr int64_t kDefaultPeriod = 100000;
  ASSIGN_OR_RETURN(const std::string directory, DirectoryFor("cpu"));
  const int64_t period = limits.cpu_period_us != 0 ? limits.cpu_period_us : kDefaultPeriod;
  if (tree_.unified_has("cpu")) {
    if (limits.cpu_shares != 0) {
      RETURN_IF_ERROR(WriteCgroupFile(directory + "/cpu.weight",
                                      absl::StrCat(WeightOfShares(limits.cpu_shares))));
    }
    if (limits.cpu_quota_us != 0 || limits.cpu_period_us != 0) {
      const std::string quota = limits.cpu_quota_us > 0 ? absl::StrCat(limits.cpu_quota_us) : "max";
      RETURN_IF_ERROR(WriteCgroupFile(directory + "/cpu.max", absl::StrCat(quota, " ", period)));
    }
    return absl::OkStatus();
  }
  if (limits.cpu_shares != 0) {
    RETURN_IF_ERROR(WriteCgroupFile(directory + "/cpu.shares", absl::StrCat(limits.cpu_shares)));
  }
  if (limits.cpu_period_us != 0) {
    RETURN_IF_ERROR(WriteCgroupFile(directory + "/cpu.cfs_period_us", absl::StrCat(period)));
  }
  if (limits.cpu_quota_us != 0) {
    RETURN_IF_ERROR(
        WriteCgroupFile(directory + "/cpu.cfs_quota_us", absl::StrCat(limits.cpu_quota_us)));
  }
  return absl::OkStatus();
}

Status Cgroup::LimitCpuset(const ResourceLimits& limits) {
  ASSIGN_OR_RETURN(const std::string directory, DirectoryFor("cpuset"));
  const bool unified = tree_.unified_has("cpuset");
  const std::string parent = directory.substr(0, directory.rfind('/'));
  const std::string top = parent.substr(0, parent.rfind('/'));
  const std::pair<const char*, const std::string*> files[] = {
      {"/cpuset.cpus", &limits.cpuset_cpus}, {"/cpuset.mems", &limits.cpuset_mems}};
  for (const auto& file : files) {
    if (!unified) {
      // A v1 group starts with no processors and no memory at all, on every level.
      const StatusOr<std::string> inherited = ReadCgroupFile(top + file.first);
      if (inherited.ok()) {
        WriteCgroupFile(parent + file.first, *inherited).IgnoreError();
        RETURN_IF_ERROR(WriteCgroupFile(directory + file.first, *inherited));
      }
    }
    if (!file.second->empty()) {
      RETURN_IF_ERROR(WriteCgroupFile(directory + file.first, *file.second));
    }
  }
  return absl::OkStatus();
}

Status Cgroup::AllowAllDevices() {
  if (attached_filter_ != nullptr) {
    RETURN_IF_ERROR(attached_filter_->Detach(directories_.front().path));
    attached_filter_ = nullptr;
    return absl::OkStatus();
  }
  const std::string directory = FindFile("devices.allow");
  return directory.empty() ? absl::OkStatus() : WriteCgroupFile(directory + "/devices.allow", "a");
}

Status Cgroup::AllowDevices(const std::vector<DeviceNode>& devices) {
  if (attached_filter_ != nullptr) {
    // All attached filters must let a device through.
    ASSIGN_OR_RETURN(own_filter_, DeviceFilter::Load(devices));
    RETURN_IF_ERROR(own_filter_->Attach(directories_.front().path));
    RETURN_IF_ERROR(attached_filter_->Detach(directories_.front().path));
    attached_filter_ = own_filter_.get();
    return absl::OkStatus();
  }
  const std::string directory = FindFile("devices.allow");
  for (const DeviceNode& device : devices) {
    if (!directory.empty() && device.type != DeviceNode::Type::kFifo) {
      RETURN_IF_ERROR(WriteCgroupFile(
          directory + "/devices.allow",
          absl::StrCat(device.type == DeviceNode::Type::kBlock ? "b " : "c ", device.major, ":",
                       device.minor, " ", device.readable ? "r" : "", device.writable ? "w" : "",
                       "m")));
    }
  }
  return absl::OkStatus();
}

StatusOr<std::vector<UniqueFd>> Cgroup::TakeProcsFiles() {
  std::vector<UniqueFd> files;
  for (Directory& directory : directories_) {
    if (!directory.procs_taken) {
      ASSIGN_OR_RETURN(UniqueFd file, OpenProcs(directory.path));
      files.push_back(std::move(file));
      directory.procs_taken = true;
    }
  }
  return files;
}

StatusOr<std::vector<UniqueFd>> Cgroup::OpenProcsFiles() const {
  std::vector<UniqueFd> files;
  for (const Directory& directory : directories_) {
    ASSIGN_OR_RETURN(UniqueFd file, OpenProcs(directory.path));
    files.push_back(std::move(file));
  }
  return files;
}

void Cgroup::Kill() const {
  for (const Directory& directory : directories_) {
    KillCgroup(directory.path);
    if (directory.unified) {
      return;
    }
  }
}

std::string Cgroup::FindFile(const char* name) const {
  for (const Directory& directory : directories_) {
    if (Exists(absl::StrCat(directory.path, "/", name))) {
      return directory.path;
    }
  }
  return {};
}

uint64_t Cgroup::OomKills() const {
  if (const std::string directory = FindFile("memory.events"); !directory.empty()) {
    return ReadKeyed(directory + "/memory.events", "oom_kill");
  }
  const std::string directory = FindFile("memory.oom_control");
  return directory.empty() ? 0 : ReadKeyed(directory + "/memory.oom_control", "oom_kill");
}

void Cgroup::AddUsage(ResourceUsage& usage) const {
  if (const std::string directory = FindFile("cpu.stat"); !directory.empty()) {
    const absl::Duration user =
        absl::Microseconds(static_cast<int64_t>(ReadKeyed(directory + "/cpu.stat", "user_usec")));
    const absl::Duration system =
        absl::Microseconds(static_cast<int64_t>(ReadKeyed(directory + "/cpu.stat", "system_usec")));
    if (user + system > absl::ZeroDuration()) {
      usage.cpu_user = user;
      usage.cpu_system = system;
    }
  }
  uint64_t peak = 0;
  if (const std::string directory = FindFile("memory.peak"); !directory.empty()) {
    peak = ReadNumber(directory + "/memory.peak");
  } else if (const std::string legacy = FindFile("memory.max_usage_in_bytes"); !legacy.empty()) {
    peak = ReadNumber(legacy + "/memory.max_usage_in_bytes");
  }
  if (peak != 0) {
    usage.peak_memory_bytes = peak;
  }
}

Status Cgroup::Remove() {
  const absl::Time deadline = absl::Now() + kRemoveDeadline;
  for (const Directory& directory : directories_) {
    int error = RemoveCgroupDirectory(directory.path);
    while (error != 0) {
      if (absl::Now() > deadline) {
        return absl::DeadlineExceededError(
            absl::StrCat("remove control group ", directory.path, ": still in use"));
      }
      Kill();
      (void)CancelToken().WaitFor(kRemoveInterval);
      error = RemoveCgroupDirectory(directory.path);
    }
  }
  directories_.clear();
  return absl::OkStatus();
}

}  // namespace cairn::sandbox

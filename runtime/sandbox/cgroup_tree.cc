#include "runtime/sandbox/cgroup_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "runtime/base/cancel.h"

namespace cairn::sandbox {
namespace {

constexpr const char* kWantedControllers[] = {"cpu", "cpuset", "memory", "pids"};

std::vector<std::string> ListDirectories(const std::string& directory) {
  std::vector<std::string> names;
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) {
    return names;
  }
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") {
      names.push_back(name);
    }
  }
  ::closedir(stream);
  return names;
}

// mountinfo writes blank, tab, newline and backslash as octal escapes.
std::string Unescape(string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool HasDotDot(const std::string& path) {
  for (const auto part : absl::StrSplit(path, '/')) {
    if (part == "..") {
      return true;
    }
  }
  return false;
}

}  // namespace

Status WriteCgroupFile(const std::string& path, string_view value) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid() ||
      ::write(file.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return ErrnoStatus(errno, absl::StrCat("write ", value, " to ", path));
  }
  return absl::OkStatus();
}

StatusOr<std::string> ReadCgroupFile(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  return std::string(absl::StripTrailingAsciiWhitespace(text));
}

int RemoveCgroupDirectory(const std::string& path) {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) {
    return 0;
  }
  if (errno != EBUSY && errno != ENOTEMPTY) {
    return errno;
  }
  for (const std::string& name : ListDirectories(path)) {
    RemoveCgroupDirectory(path + "/" + name);
  }
  return ::rmdir(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

void KillCgroup(const std::string& directory) {
  if (WriteCgroupFile(directory + "/cgroup.kill", "1").ok()) {
    return;
  }
  for (const std::string& name : ListDirectories(directory)) {
    KillCgroup(directory + "/" + name);
  }
  const StatusOr<std::string> pids = ReadCgroupFile(directory + "/cgroup.procs");
  if (!pids.ok()) {
    return;
  }
  for (const auto line : absl::StrSplit(*pids, '\n', absl::SkipEmpty())) {
    int pid = 0;
    if (absl::SimpleAtoi(line, &pid) && pid > 0) {
      ::kill(pid, SIGKILL);
    }
  }
}

StatusOr<std::unique_ptr<CgroupTree>> CgroupTree::Create(CgroupTreeOptions options) {
  std::unique_ptr<CgroupTree> tree(new CgroupTree(std::move(options)));
  RETURN_IF_ERROR(tree->FindMounts());
  tree->DropUnusableMounts();
  if (!tree->unified_mount_.empty()) {
    if (tree->options_.move_processes_out_of_top) {
      tree->MoveProcessesOutOfTop();
    }
    tree->EnableControllers(tree->unified_mount_);
    StatusOr<std::unique_ptr<DeviceFilter>> filter = DeviceFilter::Load();
    if (filter.ok()) {
      tree->device_filter_ = std::move(*filter);
    }
  }
  std::set<std::string> mounts;
  for (const auto& mount : tree->legacy_mounts_) {
    mounts.insert(mount.second);
  }
  mounts.insert(tree->unified_mount_);
  for (const std::string& mount : mounts) {
    if (!mount.empty()) {
      tree->RemoveLeftovers(absl::StrCat(mount, "/", tree->options_.parent));
    }
  }
  return tree;
}

Status CgroupTree::FindMounts() {
  ASSIGN_OR_RETURN(const std::string mounts, ReadFile("/proc/self/mountinfo"));
  for (const auto line : absl::StrSplit(mounts, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    const std::vector<std::string> left = absl::StrSplit(halves[0], ' ');
    if (halves.size() < 2 || left.size() < 5) {
      continue;
    }
    const std::vector<std::string> right = absl::StrSplit(halves[1], ' ');
    const std::string mount = Unescape(left[4]);
    if (right[0] == "cgroup2" && unified_mount_.empty()) {
      unified_mount_ = mount;
    } else if (right[0] == "cgroup" && right.size() >= 3) {
      for (const auto option : absl::StrSplit(right[2], ',')) {
        legacy_mounts_.emplace(std::string(option), mount);
      }
    }
  }
  if (!unified_mount_.empty()) {
    const StatusOr<std::string> controllers =
        ReadCgroupFile(unified_mount_ + "/cgroup.controllers");
    if (controllers.ok()) {
      for (const auto name : absl::StrSplit(*controllers, ' ', absl::SkipEmpty())) {
        unified_controllers_.insert(std::string(name));
      }
    }
  }
  return absl::OkStatus();
}

void CgroupTree::DropUnusableMounts() {
  auto usable = [this](const std::string& mount) {
    const Status made = MakeParents(mount, options_.parent, false);
    if (!made.ok()) {
      unusable_.push_back(std::string(made.message()));
    }
    return made.ok();
  };
  if (!unified_mount_.empty() && !usable(unified_mount_)) {
    unified_mount_.clear();
    unified_controllers_.clear();
  }
  for (auto mount = legacy_mounts_.begin(); mount != legacy_mounts_.end();) {
    const bool wanted = mount->first == "memory" || mount->first == "pids" ||
                        mount->first == "cpu" || mount->first == "cpuset" ||
                        mount->first == "devices";
    mount = wanted && usable(mount->second) ? std::next(mount) : legacy_mounts_.erase(mount);
  }
}

void CgroupTree::EnableControllers(const std::string& directory) const {
  for (const char* controller : kWantedControllers) {
    if (unified_has(controller)) {
      // A group with processes of its own refuses; what is then lacking is found out, and said,
      // when a limit is asked for.
      WriteCgroupFile(directory + "/cgroup.subtree_control", absl::StrCat("+", controller))
          .IgnoreError();
    }
  }
}

void CgroupTree::MoveProcessesOutOfTop() const {
  const std::string init = unified_mount_ + "/init";
  if (::mkdir(init.c_str(), 0755) != 0 && errno != EEXIST) {
    return;
  }
  const StatusOr<std::string> pids = ReadCgroupFile(unified_mount_ + "/cgroup.procs");
  if (!pids.ok()) {
    return;
  }
  for (const auto pid : absl::StrSplit(*pids, '\n', absl::SkipEmpty())) {
    // Some end meanwhile, and kernel threads refuse.
    WriteCgroupFile(init + "/cgroup.procs", string_view(pid.data(), pid.size())).IgnoreError();
  }
}

void CgroupTree::RemoveLeftovers(const std::string& parent_directory) const {
  const std::string prefix = options_.key + "-";
  for (const std::string& name : ListDirectories(parent_directory)) {
    if (absl::StartsWith(name, prefix)) {
      const std::string leftover = parent_directory + "/" + name;
      // Dying takes a moment; what does not go now is empty later and harmless.
      for (int tries = 0; tries < 100 && RemoveCgroupDirectory(leftover) != 0; ++tries) {
        KillCgroup(leftover);
        (void)CancelToken().WaitFor(absl::Milliseconds(2));
      }
    }
  }
}

Status CgroupTree::MakeParents(const std::string& mount, const std::string& relative,
                               bool unified) const {
  std::string path = mount;
  for (const auto part : absl::StrSplit(relative, '/', absl::SkipEmpty())) {
    absl::StrAppend(&path, "/", part);
    if (::mkdir(path.c_str(), 0755) != 0) {
      if (errno != EEXIST) {
        return ErrnoStatus(errno, absl::StrCat("make control group ", path));
      }
    }
    if (unified) {
      EnableControllers(path);
    }
  }
  return absl::OkStatus();
}

std::string CgroupTree::LegacyMount(const std::string& controller) const {
  const auto found = legacy_mounts_.find(controller);
  return found == legacy_mounts_.end() ? std::string() : found->second;
}

StatusOr<std::unique_ptr<Cgroup>> CgroupTree::Make(const std::string& parent) const {
  // A colon is systemd's "slice:prefix:name" form, which needs systemd to make the group.
  if (HasDotDot(parent) || parent.find(':') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("invalid cgroup parent ", parent));
  }
  const std::string& base = parent.empty() ? options_.parent : parent;
  std::unique_ptr<Cgroup> group(
      new Cgroup(*this, absl::StrCat(base, "/", options_.key, "-", next_.fetch_add(1))));
  if (!unified_mount_.empty()) {
    RETURN_IF_ERROR(MakeParents(unified_mount_, base, true));
    RETURN_IF_ERROR(group->MakeDirectory(unified_mount_, true));
    if (device_filter_ != nullptr) {
      RETURN_IF_ERROR(device_filter_->Attach(group->directories_.back().path));
      group->attached_filter_ = device_filter_.get();
    }
  }
  for (const char* controller : {"memory", "pids", "devices"}) {
    const bool needed = controller != string_view("devices") || group->attached_filter_ == nullptr;
    const std::string mount = LegacyMount(controller);
    if (needed && !unified_has(controller) && !mount.empty()) {
      RETURN_IF_ERROR(MakeParents(mount, base, false));
      RETURN_IF_ERROR(group->MakeDirectory(mount, false));
    }
  }
  if (group->attached_filter_ == nullptr && !LegacyMount("devices").empty()) {
    const std::string directory = group->directories_.back().path;
    RETURN_IF_ERROR(WriteCgroupFile(directory + "/devices.deny", "a"));
    for (const char* rule :
         {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",
          "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm"}) {
      RETURN_IF_ERROR(WriteCgroupFile(directory + "/devices.allow", rule));
    }
  }
  return group;
}

std::vector<std::string> CgroupTree::Limitations() const {
  std::vector<std::string> lacking = unusable_;
  for (const char* controller : kWantedControllers) {
    if (!unified_has(controller) && LegacyMount(controller).empty()) {
      lacking.push_back(absl::StrCat("no ", controller, " cgroup controller"));
    }
  }
  if (device_filter_ == nullptr && LegacyMount("devices").empty()) {
    lacking.push_back("no device filter: steps that make device nodes can open any device");
  }
  return lacking;
}

}  // namespace cairn::sandbox

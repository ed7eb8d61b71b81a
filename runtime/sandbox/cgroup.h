// The control group of one container: limits, who is in it, killing, what it used.
//
// Works on unified hosts (cgroup v2), on hybrid ones (controllers on v1, killing on v2) and on v1
// alone. Made by CgroupTree. Removed by Remove, at the latest by the destructor, which kills what
// is left in it. Not thread-safe, except Kill.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/fd.h"
#include "runtime/base/status.h"
#include "runtime/sandbox/container_spec.h"
#include "runtime/sandbox/device_filter.h"
#include "runtime/sandbox/run_outcome.h"

namespace cairn::sandbox {

class CgroupTree;

class Cgroup {
 public:
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  // Sets limits. kFailedPrecondition: this host has no controller for one of them.
  Status ApplyLimits(const ResourceLimits& limits);

  // Lets the group use every device (a new group may use only the harmless ones).
  Status AllowAllDevices();

  // Lets it use these beside the harmless ones.
  Status AllowDevices(const std::vector<DeviceNode>& devices);

  // cgroup.procs files of the directories made since the last call, open for writing: a process
  // that writes "0" to each is in the group.
  StatusOr<std::vector<UniqueFd>> TakeProcsFiles();

  // The cgroup.procs files of all its directories.
  StatusOr<std::vector<UniqueFd>> OpenProcsFiles() const;

  // Sends SIGKILL to all processes in the group. Thread-safe.
  void Kill() const;

  // How often the kernel killed in the group for want of memory.
  uint64_t OomKills() const;

  // Adds what the group's counters know to `usage`; counters that the host lacks change nothing.
  void AddUsage(ResourceUsage& usage) const;

  // Kills what is left and removes the directories. kDeadlineExceeded: a process would not die.
  Status Remove();

 private:
  friend class CgroupTree;

  struct Directory {
    std::string path;
    bool unified = false;
    bool procs_taken = false;
  };

  Cgroup(const CgroupTree& tree, std::string relative_path)
      : tree_(tree), relative_path_(std::move(relative_path)) {}

  // Makes the directory for `controller`, unless one that holds it exists; returns its path.
  StatusOr<std::string> DirectoryFor(const std::string& controller);
  Status MakeDirectory(const std::string& mount, bool unified);
  Status LimitMemory(const ResourceLimits& limits);
  Status LimitProcessor(const ResourceLimits& limits);
  Status LimitCpuset(const ResourceLimits& limits);
  // The directory that has the file `name`, or empty.
  std::string FindFile(const char* name) const;

  const CgroupTree& tree_;
  // Below each hierarchy's mount: "cairn/0f3a-12".
  const std::string relative_path_;
  std::vector<Directory> directories_;
  const DeviceFilter* attached_filter_ = nullptr;
  std::unique_ptr<DeviceFilter> own_filter_;  // one that no other group has
};

}  // namespace cairn::sandbox

// Where this host's cgroup hierarchies are, and the part of them that belongs to one executor.
//
// Groups are named "<parent>/<key>-<number>": the key is the executor's own, so that one that
// starts again finds what its crashed predecessor left. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/device_filter.h"

namespace cairn::sandbox {

struct CgroupTreeOptions {
  // Relative to the mount of each hierarchy.
  std::string parent = "cairn";
  // Distinguishes this executor's groups; letters and digits.
  std::string key;
  // On a unified hierarchy whose top group has processes in it (a container's), move these into the
  // group "init", so that controllers can be enabled for others.
  bool move_processes_out_of_top = false;
};

class CgroupTree {
 public:
  // Finds the hierarchies, kills and removes leftovers with the same key. A host where groups
  // cannot be made is no error: groups then have no directories and take no limits.
  static StatusOr<std::unique_ptr<CgroupTree>> Create(CgroupTreeOptions options);

  // A new group in `parent` (empty: the executor's own), with no limits, in which only harmless
  // devices may be used. kInvalidArgument: `parent` contains ".." or ":".
  StatusOr<std::unique_ptr<Cgroup>> Make(const std::string& parent) const;

  // What is lacking on this host, for the log; empty when nothing is.
  std::vector<std::string> Limitations() const;

  const std::string& unified_mount() const { return unified_mount_; }
  bool unified_has(const std::string& controller) const {
    return unified_controllers_.count(controller) > 0;
  }
  // The v1 mount of `controller`, or empty.
  std::string LegacyMount(const std::string& controller) const;
  // Null when the host has no unified hierarchy.
  const DeviceFilter* device_filter() const { return device_filter_.get(); }

 private:
  explicit CgroupTree(CgroupTreeOptions options) : options_(std::move(options)) {}

  Status FindMounts();
  void DropUnusableMounts();
  void EnableControllers(const std::string& directory) const;
  void MoveProcessesOutOfTop() const;
  void RemoveLeftovers(const std::string& parent_directory) const;
  // Makes `relative` below `mount`, enabling controllers on the way.
  Status MakeParents(const std::string& mount, const std::string& relative, bool unified) const;

  const CgroupTreeOptions options_;
  std::string unified_mount_;
  std::set<std::string> unified_controllers_;
  std::map<std::string, std::string> legacy_mounts_;  // controller -> mount
  std::unique_ptr<DeviceFilter> device_filter_;
  std::vector<std::string> unusable_;
  mutable std::atomic<uint64_t> next_ = 1;
};

// Small files of the cgroup file system.
Status WriteCgroupFile(const std::string& path, string_view value);
StatusOr<std::string> ReadCgroupFile(const std::string& path);
// Removes a group's directory and those in it. Returns 0 or an errno value.
int RemoveCgroupDirectory(const std::string& path);
// Sends SIGKILL to all in the group `directory` and the groups in it.
void KillCgroup(const std::string& directory);

}  // namespace cairn::sandbox

// What the daemon and the helper program say to each other; this file alone knows the format.
//
// A helper has two sockets from the daemon, each carrying frames (channel.h):
//   control: to the supervisor, which stays outside the container for its whole life.
//     daemon -> helper   kJoin      descriptors: setup socket, status socket, cgroup.procs files
//     helper -> daemon   kStarted   the first process exists; descriptor: its pidfd
//                        kExited    the first process has ended: ExitReport
//     The end of the stream kills the container: a daemon that dies takes its steps along.
//   setup: to the process that becomes the program; closed by its execve.
//     daemon -> helper   kLaunch    LaunchRequest; descriptors as LaunchDescriptors says
//     helper -> daemon   kStubs     StubReport; descriptor: the container's root, to clean it by
//                        kTerminal  descriptor: the terminal's master side
//                        kFailed    FailureReport; then the process exits
// Each later process has a setup socket and a status socket (kStarted, kExited) of its own.
//
// Payloads are fields in the order of the structs below: integers as little-endian u64, strings as
// length and bytes, lists as count and elements. Both ends are built together: there is no
// versioning, but every length is checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sandbox/device_node.h"
#include "runtime/sandbox/mount_spec.h"
#include "runtime/sandbox/process_spec.h"
#include "runtime/sandbox/setup_step.h"

namespace cairn::sandbox {

enum class FrameType : uint32_t {
  kLaunch = 1,
  kJoin = 2,
  kStarted = 3,
  kExited = 4,
  kStubs = 5,
  kTerminal = 6,
  kFailed = 7,
};

// A setrlimit(2) call.
struct RlimitRequest {
  uint64_t resource = 0;
  uint64_t soft = 0;
  uint64_t hard = 0;
};

struct LaunchRequest {
  enum class Network : uint64_t { kHost, kNone, kJoin };

  ProcessSpec process;
  bool insecure = false;
  std::vector<RlimitRequest> rlimits;
  // A classic BPF program (array of sock_filter); empty: no filter.
  std::string seccomp_filter;
  // AppArmor profile for the program; empty: the kernel's choice.
  std::string apparmor_profile;

  // The rest is for a container's first process only.
  RootSpec root;
  std::vector<DeviceNode> devices;
  std::vector<MountSpec> mounts;
  std::string hostname;
  Network network = Network::kHost;
  // Host directories: an empty one where the root is mounted (in the container's own mount
  // namespace), and one that goes below every overlay root so that usual mount points exist.
  std::string mount_point;
  std::string skeleton;
};

// The order of the descriptors that come with kLaunch: stdin, stdout, stderr, then a network
// namespace (Network::kJoin alone), then any number of cgroup.procs files to enter.
inline constexpr size_t kLaunchStdioDescriptors = 3;

// A mount point, or a directory on the way to one, that was made in the root file system.
struct Stub {
  std::string path;  // relative to the root, without symbolic links
  bool directory = false;
  bool mount_point = false;
  // The modification time of the directory around it, before and after.
  int64_t before_sec = 0;
  int64_t before_nsec = 0;
  int64_t after_sec = 0;
  int64_t after_nsec = 0;
};

struct StubReport {
  std::vector<Stub> stubs;  // in the order made: parents first
};

struct FailureReport {
  SetupStep step = SetupStep::kNone;
  std::string message;
  uint64_t exit_code = 0;  // for kExec: what the outcome's exit code is
};

struct ExitReport {
  uint64_t wait_status = 0;  // as waitpid(2) gives it
  uint64_t user_us = 0;
  uint64_t system_us = 0;
  uint64_t max_rss_kib = 0;
};

// Each Decode returns false when the bytes are not exactly one such value.
std::string Encode(const LaunchRequest& request);
bool Decode(const std::string& bytes, LaunchRequest& request);
std::string Encode(const StubReport& report);
bool Decode(const std::string& bytes, StubReport& report);
std::string Encode(const FailureReport& report);
bool Decode(const std::string& bytes, FailureReport& report);
std::string Encode(const ExitReport& report);
bool Decode(const std::string& bytes, ExitReport& report);

}  // namespace cairn::sandbox

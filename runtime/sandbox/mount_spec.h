// One thing that is mounted inside a container, or the container's root itself.
//
// Values; only standard types, because the helper program reads them too. Host paths are absolute
// paths of the caller's own making (its state directory, a configured directory): nothing from a
// client may be part of them, except through `selector`, which is resolved beneath the mounted
// tree and cannot leave it. Destinations come from users and are resolved inside the root.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cairn::sandbox {

// Directories stacked by overlayfs.
struct OverlaySpec {
  // Read-only directories, topmost first. May be empty when `upper` is given.
  std::vector<std::string> lowers;
  // Where writes go, with an empty directory of the same file system for the kernel's own use.
  // Both empty: the overlay cannot be written.
  std::string upper;
  std::string work;
  // Let fsync(2) in the step reach the disk, and flush the upper directory's whole file system when
  // the step has ended. Without it a crash of the machine may leave anything in `upper`, which is
  // right for callers that make what they keep durable themselves, and much faster.
  bool synced = false;
};

struct MountSpec {
  enum class Kind : uint8_t {
    kBind,     // the directory or file `source`, with what is mounted below it
    kOverlay,  // `overlay`
    kTmpfs,    // an empty file system in memory, of at most `size_bytes`
    kFile,     // a read-only regular file with `content`, kept in memory and never on disk
    kSocket,   // the listening unix socket `source`, after giving it `uid`, `gid` and `mode`
  };

  Kind kind = Kind::kBind;
  // Where it appears: absolute, inside the root; symbolic links resolve inside the root. Missing
  // directories and the mount point itself are made, and are taken away again after the run.
  std::string destination;
  // kBind, kSocket: absolute host path.
  std::string source;
  // kBind, kOverlay: a path beneath the mounted tree; only that part appears. Empty means all.
  std::string selector;
  OverlaySpec overlay;
  // kTmpfs; 0 means the kernel's default (half of memory).
  uint64_t size_bytes = 0;
  // kTmpfs, kFile, kSocket: permission bits; kFile, kSocket: owner.
  uint32_t mode = 01777;
  uint32_t uid = 0;
  uint32_t gid = 0;
  // kFile.
  std::string content;
  bool readonly = false;
  // kBind: these attributes too, on all that is mounted below.
  bool nosuid = false;
  bool nodev = false;
  bool noexec = false;
};

// What a container sees as "/".
struct RootSpec {
  // A host directory, used as it is. Empty means `overlay`.
  std::string directory;
  OverlaySpec overlay;
  // The step cannot write to it (mounts have a flag of their own).
  bool readonly = false;
};

}  // namespace cairn::sandbox

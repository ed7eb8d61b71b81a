// Metadata: what a file system entry carries besides its name and content, and how it is read from
// and put onto real files. Kind: what an entry is.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <string>

#include "runtime/base/status.h"

namespace cairn::fs {

enum class Kind { kFile, kDirectory, kSymlink, kFifo, kCharDevice, kBlockDevice, kSocket };

// The kind of a stat mode's S_IFMT bits.
Kind KindOf(mode_t mode);
// The S_IFMT bits of a kind.
mode_t TypeBits(Kind kind);

struct Metadata {
  uint32_t mode = 0;  // permission, setuid, setgid and sticky bits: 07777
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t mtime_ns = 0;  // since the Unix epoch, may be negative
  // Only names that IsPortableXattr accepts.
  std::map<std::string, std::string> xattrs;

  friend bool operator==(const Metadata&, const Metadata&) = default;
};

// Whether an extended attribute belongs to the file rather than to the machine it lies on. Not
// kept: overlayfs' own (trusted.overlay.*, user.overlay.*: in a layer they would change what a
// mount shows), security labels other than security.capability, ACLs and everything else in
// trusted.* and system.*.
bool IsPortableXattr(string_view name);

// Mode, owner and time of `status`, without xattrs. Times beyond int64 nanoseconds are clamped.
Metadata MetadataFrom(const struct stat& status);

// Seconds and nanoseconds as one number, clamped to what int64 holds.
int64_t ToNanoseconds(int64_t seconds, int64_t nanoseconds);

// The portable xattrs of `name` in `directory_fd` (a link's own), or of `directory_fd` itself when
// `name` is empty. A file system without xattrs has none.
StatusOr<std::map<std::string, std::string>> ReadXattrs(int directory_fd, const std::string& name);

// stat and ReadXattrs of `name` in `directory_fd`, not following a link.
StatusOr<Metadata> ReadMetadata(int directory_fd, const std::string& name);

struct ApplyOptions {
  bool owner = true;
  bool mode = true;
  bool times = true;
  bool xattrs = true;
};

// Puts `metadata` onto the entry `name` of kind `kind` in `directory_fd`, never following a link;
// an empty `name` is `directory_fd` itself. Owner before mode (a chown clears setuid) before xattrs
// (a chown clears capabilities) before mtime, which is set as atime too. A link keeps its mode.
// xattrs that the file system or the caller's privileges do not allow are left out; those that the
// entry has and `metadata` lacks stay.
Status ApplyMetadata(int directory_fd, const std::string& name, Kind kind, const Metadata& metadata,
                     const ApplyOptions& options = {});

}  // namespace cairn::fs

// A RootDir is an opened directory beneath which paths from outside are resolved.
//
// Resolution is as after a chroot: a leading slash, ".." and absolute links all stay beneath the
// root, done by the kernel (openat2 with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), so that nothing
// is checked first and used later. Paths with a NUL byte are kInvalidArgument. Functions that make
// or change the last component resolve its parent beneath the root, then act on one name in the
// opened parent, which they never follow.
//
// Immutable after construction and thread-safe, as far as the kernel's directories are. Move-only.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::fs {

class RootDir {
 public:
  // Opens the directory `path` of this machine; `path` is trusted.
  static StatusOr<RootDir> Open(const std::string& path);
  // Takes an open directory.
  explicit RootDir(UniqueFd fd) : fd_(std::move(fd)) {}

  // The directory's descriptor (may be O_PATH); owned by this object.
  int fd() const { return fd_.get(); }

  // Opens `path` with open(2) `flags` (O_CLOEXEC is added). The last component is followed beneath
  // the root unless O_NOFOLLOW. Never blocks on a FIFO that is opened with O_NONBLOCK.
  StatusOr<UniqueFd> OpenFile(string_view path, int flags, mode_t mode = 0) const;

  // Opens the directory `path` as a root of its own.
  StatusOr<RootDir> OpenDirectory(string_view path) const;

  // The opened parent of `path` and the last component. kInvalidArgument when there is none: the
  // path is the root or ends in "..".
  struct Parent {
    UniqueFd directory;
    std::string name;
  };
  StatusOr<Parent> OpenParent(string_view path) const;

  // Makes one directory; kAlreadyExists when anything is there.
  Status MakeDirectory(string_view path, mode_t mode) const;
  // Makes the directory and its missing parents; those that exist (or are links to a directory) are
  // left as they are. kFailedPrecondition when something else is in the way.
  Status MakeDirectories(string_view path, mode_t mode) const;

  StatusOr<std::string> ReadLink(string_view path) const;
  StatusOr<struct stat> Stat(string_view path, bool follow) const;

  // Reads a regular file whole; anything else is kFailedPrecondition. More than `limit` bytes is
  // kResourceExhausted.
  StatusOr<std::string> ReadFile(string_view path, uint64_t limit) const;
  // Makes or replaces the regular file `path`: what was there is unlinked first, never written to.
  Status WriteFile(string_view path, string_view data, mode_t mode) const;

  // Removes one file, link, node or empty directory.
  Status Remove(string_view path) const;
  // Removes `path` and all below it; absent is OK. See RemoveTree.
  Status RemoveAll(string_view path) const;

  // `flags` as of renameat2.
  Status Rename(string_view from, string_view to, unsigned flags = 0) const;
  // Makes `path` a hard link of `existing`, which is not followed.
  Status HardLink(string_view existing, string_view path) const;
  Status Symlink(const std::string& target, string_view path) const;
  // `mode` with its type bits: S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK.
  Status MakeNode(string_view path, mode_t mode, dev_t device) const;

 private:
  UniqueFd fd_;
};

// Removes the entry `name` of `directory_fd` and all below it; absent is OK. Follows no link and
// holds three descriptors at most, however deep the tree: directories that are not empty are moved
// up to the tree's top before they are emptied.
Status RemoveTree(int directory_fd, const std::string& name);

// The names in the directory `directory_fd`, without "." and "..", sorted by bytes. Leaves the
// descriptor's offset alone.
StatusOr<std::vector<std::string>> ListDirectory(int directory_fd);

}  // namespace cairn::fs

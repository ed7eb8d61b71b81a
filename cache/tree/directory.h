// One directory of a Tree, and the reference by which a whole Tree is named.
//
// A Tree is a Merkle tree: a Directory's encoding holds the digests of its files' bytes and of its
// child Directories' encodings, so one digest names a whole filesystem state. The encoding is a
// REAPI v2 `Directory` message (proto/tree.proto) with Cairn's extra fields; codec.cc alone knows
// it.
//
// Two digests go with every directory:
//   digest   of the encoding: names, bytes, and all metadata with mtimes. Equal digest, equal
//   bytes. content  the same without mtimes and without hard-link groups: what step keys are made
//   of.
//
// A Tree may also be a *delta*: what a step changed on its input. Then whiteouts remove an entry of
// the tree below and an opaque directory hides all that is below it; the entries a delta holds are
// new or changed, and directories on the way to them are there with their metadata.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/status.h"
#include "runtime/fs/metadata.h"

namespace cairn::tree {

// Names a stored Tree (or delta): the root Directory's digests and the sizes below it.
struct TreeRef {
  Digest digest;
  Digest content;
  uint64_t bytes = 0;    // of all regular files below
  uint64_t entries = 0;  // of all kinds below, the root not counted

  friend bool operator==(const TreeRef&, const TreeRef&) = default;
};

struct Entry {
  enum class Type { kFile, kDirectory, kSymlink, kFifo, kCharDevice, kBlockDevice, kWhiteout };

  std::string name;  // one path component; not empty, not "." or "..", no '/' and no NUL
  Type type = Type::kFile;
  // Of files, links and special files. A directory's metadata is in its own Directory.
  fs::Metadata metadata;
  // kFile: the bytes' digest and size.
  std::optional<Digest> file;
  uint64_t size = 0;
  // kDirectory: the child.
  std::optional<TreeRef> directory;
  // kSymlink: what it points at, as written.
  std::string target;
  // kCharDevice, kBlockDevice: makedev() number.
  uint64_t device = 0;
  // kFile: files of one tree with the same non-zero group are hard links of one inode.
  uint64_t link_group = 0;

  friend bool operator==(const Entry&, const Entry&) = default;
};

struct Directory {
  fs::Metadata metadata;
  // In a delta: nothing of the directory below shows through.
  bool opaque = false;
  std::vector<Entry> entries;  // sorted by name, no duplicates

  const Entry* Find(string_view name) const;
  friend bool operator==(const Directory&, const Directory&) = default;
};

}  // namespace cairn::tree

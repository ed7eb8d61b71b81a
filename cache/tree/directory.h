// One directory of a Tree, and the reference by which a whole Tree is named.
//
// A Tree is a Merkle tree: a Directory's encoding holds the digests of its files' bytes and of its
// child Directories' encodings, so one digest names a whole filesystem state. The encoding is a
// REAPI v2 `Directory` message (proto/tree.proto) with Cairn's extra fields; codec.cc alone knows
// it.
//
// Two digests go with every directory:
//   digest   of the encoding: names, bytes, and all metadata with mtimes. Equal digest, equal tree.
//   content  the same without mtimes and without hard-link groups: what step keys are made of.
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

// Names a stored Tree (or delta): the root Directory's digests and what is known of all below it.
// `digest` determines the rest, so it alone is compared.
struct TreeRef {
  // What is somewhere in the tree, the root included.
  enum Trait : uint32_t {
    kHasWhiteouts = 1,   // whiteouts or opaque directories: it is a delta
    kHasImplied = 2,     // implied directories: a delta that Complete has not seen
    kHasLinkGroups = 4,  // hard links
    kHasTouched = 8,     // touched directories: it is a delta
  };

  Digest digest;
  Digest content;
  uint64_t bytes = 0;    // of all regular files below
  uint64_t entries = 0;  // of all kinds below, the root not counted
  // Of the root's encoding, in bytes. 0 says that this and `traits` are not known, as in a
  // reference that was not made by a TreeStore; the store then finds them out where it needs them.
  uint64_t encoded_size = 0;
  uint32_t traits = 0;

  bool Has(Trait trait) const { return (traits & trait) != 0; }
  friend bool operator==(const TreeRef& a, const TreeRef& b) { return a.digest == b.digest; }
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
  // In a delta that was read from a tar: the directory was not in it, only something below was. Its
  // metadata is that of the directory below, or `metadata` where there is none. Complete
  // (algebra.h) settles it; whole trees have none.
  bool implied = false;
  // In a delta: the directory below has this metadata too, but perhaps for the time. It is there
  // for what is below it, if anything; layers leave it out when nothing is.
  bool touched = false;
  std::vector<Entry> entries;  // sorted by name, no duplicates

  const Entry* Find(string_view name) const;
  friend bool operator==(const Directory&, const Directory&) = default;
};

// The metadata of a directory that nobody described: 0755, root, at the epoch.
fs::Metadata DefaultDirectoryMetadata();

// Whether the two differ in nothing but their times.
bool EqualButTimes(const fs::Metadata& a, const fs::Metadata& b);

// Trees deeper than this are refused: PATH_MAX cannot name what is in them.
inline constexpr int kMaxDepth = 2048;

}  // namespace cairn::tree

#include "cache/snapshot/tree_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "cache/snapshot/overlay.h"
#include "runtime/base/fd.h"
#include "runtime/fs/metadata.h"
#include "runtime/fs/root_dir.h"

namespace cairn::snapshot {
namespace {

using tree::Entry;

fs::Kind KindOfType(Entry::Type type) {
  switch (type) {
    case Entry::Type::kFile:
      return fs::Kind::kFile;
    case Entry::Type::kDirectory:
      return fs::Kind::kDirectory;
    case Entry::Type::kSymlink:
      return fs::Kind::kSymlink;
    case Entry::Type::kFifo:
      return fs::Kind::kFifo;
    case Entry::Type::kCharDevice:
    case Entry::Type::kWhiteout:
      return fs::Kind::kCharDevice;
    case Entry::Type::kBlockDevice:
      return fs::Kind::kBlockDevice;
  }
  return fs::Kind::kFile;
}

class TreeWriter {
 public:
  TreeWriter(tree::TreeStore& trees, int root_fd, const WriteOptions& options)
      : trees_(trees),
        root_fd_(root_fd),
        cancel_(options.cancel),
        lower_(options.use == WriteOptions::Use::kLower) {}

  Status Run(const Digest& root) {
    ASSIGN_OR_RETURN(const auto directory, trees_.Load(root));
    RETURN_IF_ERROR(WriteEntries(*directory, root_fd_, 0));
    return lower_ ? fs::ApplyMetadata(root_fd_, "", fs::Kind::kDirectory, directory->metadata)
                  : absl::OkStatus();
  }

 private:
  // A file of a link group that has been written.
  struct Linked {
    std::string path;
    Entry entry;
  };

  Status WriteEntries(const tree::Directory& directory, int fd, int depth) {
    if (depth > tree::kMaxDepth) {
      return absl::ResourceExhaustedError("directories are nested too deeply");
    }
    const size_t path_size = path_.size();
    for (const Entry& entry : directory.entries) {
      RETURN_IF_ERROR(cancel_.Check());
      absl::StrAppend(&path_, path_size == 0 ? "" : "/", entry.name);
      RETURN_IF_ERROR_IN(entry.type == Entry::Type::kDirectory ? WriteDirectory(entry, fd, depth)
                                                               : WriteEntry(entry, fd),
                         path_size == 0 ? absl::StrCat("write ", entry.name) : entry.name);
      path_.resize(path_size);
    }
    return absl::OkStatus();
  }

  Status WriteDirectory(const Entry& entry, int parent, int depth) {
    const char* name = entry.name.c_str();
    ASSIGN_OR_RETURN(const auto directory, trees_.Load(entry.directory->digest));
    if (::mkdirat(parent, name, 0700) != 0) {
      if (lower_ || errno != EEXIST) {
        return ErrnoStatus(errno, "make directory");
      }
      struct stat status = {};
      if (::fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return ErrnoStatus(errno, "stat");
      }
      if (!S_ISDIR(status.st_mode)) {
        RETURN_IF_ERROR(fs::RemoveTree(parent, entry.name));
        if (::mkdirat(parent, name, 0700) != 0) {
          return ErrnoStatus(errno, "make directory");
        }
      }
    }
    const UniqueFd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) {
      return ErrnoStatus(errno, "open directory");
    }
    if (directory->opaque && lower_ && ::fsetxattr(fd.get(), kOpaqueXattr, "y", 1, 0) != 0) {
      return ErrnoStatus(errno, "mark as opaque");
    }
    RETURN_IF_ERROR(WriteEntries(*directory, fd.get(), depth + 1));
    return fs::ApplyMetadata(fd.get(), "", fs::Kind::kDirectory, directory->metadata);
  }

  Status WriteEntry(const Entry& entry, int parent) {
    if (!lower_) {
      RETURN_IF_ERROR(fs::RemoveTree(parent, entry.name));
    }
    const char* name = entry.name.c_str();
    const fs::Kind kind = KindOfType(entry.type);
    switch (entry.type) {
      case Entry::Type::kFile:
        return WriteFile(entry, parent);
      case Entry::Type::kWhiteout:
        return lower_ ? MakeNode(parent, entry.name, S_IFCHR, 0) : absl::OkStatus();
      case Entry::Type::kSymlink:
        if (::symlinkat(entry.target.c_str(), parent, name) != 0) {
          return ErrnoStatus(errno, "make link");
        }
        break;
      default:
        RETURN_IF_ERROR(MakeNode(parent, entry.name, fs::TypeBits(kind), entry.device));
    }
    return fs::ApplyMetadata(parent, entry.name, kind, entry.metadata);
  }

  Status MakeNode(int parent, const std::string& name, mode_t type, dev_t device) {
    if (::mknodat(parent, name.c_str(), type, device) != 0) {
      return ErrnoStatus(errno, "make node");
    }
    return absl::OkStatus();
  }

  Status WriteFile(const Entry& entry, int parent) {
    std::vector<Linked>* group = nullptr;
    if (entry.link_group != 0) {
      group = &groups_[entry.link_group];
      // A group's members may differ where a delta replaced some of them.
      for (const Linked& first : *group) {
        if (first.entry.file == entry.file && first.entry.metadata == entry.metadata) {
          if (::linkat(root_fd_, first.path.c_str(), parent, entry.name.c_str(), 0) == 0) {
            return absl::OkStatus();
          }
          if (errno != EMLINK) {
            return ErrnoStatus(errno, absl::StrCat("link to ", first.path));
          }
        }
      }
    }
    const bool may_link = lower_ && linked_.insert(*entry.file).second;
    RETURN_IF_ERROR(
        trees_.blobs().Materialize(*entry.file, entry.metadata, parent, entry.name, may_link));
    if (group != nullptr) {
      group->push_back({path_, entry});
    }
    return absl::OkStatus();
  }

  tree::TreeStore& trees_;
  const int root_fd_;
  const CancelToken& cancel_;
  const bool lower_;
  std::string path_;                    // of the entry being written
  absl::flat_hash_set<Digest> linked_;  // blobs whose inode this tree has taken
  std::map<uint64_t, std::vector<Linked>> groups_;
};

}  // namespace

Status WriteTree(tree::TreeStore& trees, const Digest& tree, int directory_fd,
                 const WriteOptions& options) {
  return TreeWriter(trees, directory_fd, options).Run(tree);
}

}  // namespace cairn::snapshot

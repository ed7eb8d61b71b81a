#include "cache/snapshot/upper_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/snapshot/file_adoption.h"
#include "cache/snapshot/overlay.h"
#include "cache/tree/link_groups.h"
#include "runtime/base/fd.h"
#include "runtime/fs/metadata.h"
#include "runtime/fs/tree_walk.h"

namespace cairn::snapshot {
namespace {

using tree::Directory;
using tree::Entry;

// One directory of the upper, as read.
struct Node {
  // Its entries; those that are directories or files lack their digests until Build.
  Directory directory;
  // For each entry: the index of its file in Reader::files_, if it is one.
  std::vector<size_t> files;
  std::vector<std::unique_ptr<Node>> children;  // of the directory entries, in order
  // What the base has in this place, null when that is no directory.
  std::shared_ptr<const Directory> base;
  bool hides_base = false;  // what the upper lacks was removed: by itself or from further up
  std::vector<std::string> dropped;  // names that are no part of the delta, no directories
};

bool IsDirectory(const Entry& entry) { return entry.type == Entry::Type::kDirectory; }

class UpperReader {
 public:
  UpperReader(tree::TreeStore& trees, int upper_fd, const CancelToken& cancel)
      : trees_(trees), upper_fd_(upper_fd), cancel_(cancel) {}

  StatusOr<tree::TreeRef> Run(const tree::TreeRef& base) {
    Node root;
    ASSIGN_OR_RETURN(root.directory.metadata, fs::ReadMetadata(upper_fd_, ""));
    ASSIGN_OR_RETURN(root.base, trees_.Load(base.digest));
    RETURN_IF_ERROR_IN(Walk(root), "read what was written");
    RETURN_IF_ERROR_IN(AdoptFiles(trees_.blobs(), upper_fd_, files_, cancel_),
                       "store what was written");
    ASSIGN_OR_RETURN(std::optional<tree::TreeRef> delta, Build(root, ""));
    return *std::move(delta);
  }

 private:
  Status Walk(Node& root) {
    std::vector<Node*> path = {&root};
    return fs::WalkTree(
        upper_fd_, {.xattrs = true, .cancel = cancel_},
        [&](const fs::WalkEntry& entry) -> StatusOr<fs::WalkAction> {
          RETURN_IF_ERROR(Visit(entry, *path.back()));
          if (entry.kind == fs::Kind::kDirectory) {
            path.push_back(path.back()->children.back().get());
            if (path.size() > tree::kMaxDepth) {
              return absl::ResourceExhaustedError("directories are nested too deeply");
            }
          }
          return fs::WalkAction::kContinue;
        },
        [&](const std::string&) {
          path.pop_back();
          return absl::OkStatus();
        });
  }

  Status Visit(const fs::WalkEntry& found, Node& parent) {
    Entry entry;
    entry.name = found.name;
    entry.metadata = found.metadata();
    size_t file = 0;
    switch (found.kind) {
      case fs::Kind::kDirectory:
        return VisitDirectory(found, parent);
      case fs::Kind::kSocket:
        parent.dropped.push_back(found.name);
        return absl::OkStatus();
      case fs::Kind::kFile:
        entry.type = Entry::Type::kFile;
        entry.size = static_cast<uint64_t>(found.status.st_size);
        file = VisitFile(found, entry.size);
        break;
      case fs::Kind::kSymlink:
        entry.type = Entry::Type::kSymlink;
        entry.target = found.link_target;
        break;
      case fs::Kind::kFifo:
        entry.type = Entry::Type::kFifo;
        break;
      case fs::Kind::kBlockDevice:
        entry.type = Entry::Type::kBlockDevice;
        entry.device = found.status.st_rdev;
        break;
      case fs::Kind::kCharDevice:
        entry.type = Entry::Type::kCharDevice;
        entry.device = found.status.st_rdev;
        if (entry.device == 0) {
          entry.type = Entry::Type::kWhiteout;
          entry.metadata = fs::Metadata();
        }
        break;
    }
    parent.directory.entries.push_back(std::move(entry));
    parent.files.push_back(file);
    return absl::OkStatus();
  }

  size_t VisitFile(const fs::WalkEntry& found, uint64_t size) {
    if (found.status.st_nlink > 1) {
      const auto key = std::make_pair(found.status.st_dev, found.status.st_ino);
      const auto first = inodes_.try_emplace(key, files_.size());
      if (!first.second) {
        shared_.insert(first.first->second);
        return first.first->second;
      }
    }
    files_.push_back({found.path, size, std::nullopt});
    return files_.size() - 1;
  }

  Status VisitDirectory(const fs::WalkEntry& found, Node& parent) {
    auto node = std::make_unique<Node>();
    node->directory.metadata = found.metadata();
    const Entry* below = parent.base != nullptr ? parent.base->Find(found.name) : nullptr;
    if (below != nullptr && IsDirectory(*below)) {
      ASSIGN_OR_RETURN(node->base, trees_.Load(below->directory->digest));
    }
    node->hides_base = parent.hides_base;
    const UniqueFd fd(::openat(found.parent_fd, found.name.c_str(),
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) {
      return ErrnoStatus(errno, absl::StrCat("open directory ", found.path));
    }
    char value = 0;
    if (::fgetxattr(fd.get(), kOpaqueXattr, &value, 1) == 1 && value == 'y') {
      // A delta names what it removes, so that it removes no more on another base; where there was
      // nothing to hide the mark says nothing.
      node->hides_base = true;
      if (::fremovexattr(fd.get(), kOpaqueXattr) != 0) {
        return ErrnoStatus(errno, absl::StrCat("change directory ", found.path));
      }
    }
    Entry entry;
    entry.name = found.name;
    entry.type = Entry::Type::kDirectory;
    parent.directory.entries.push_back(std::move(entry));
    parent.files.push_back(0);
    parent.children.push_back(std::move(node));
    return absl::OkStatus();
  }

  // Whether `node` only repeats what is below.
  static bool IsUnchanged(const Node& node) {
    return node.directory.entries.empty() && node.base != nullptr &&
           node.directory.metadata == node.base->metadata;
  }
  // Links that a file has got or lost elsewhere do not change it.
  static bool IsUnchanged(const Entry& entry, const Directory* base) {
    const Entry* below = base == nullptr ? nullptr : base->Find(entry.name);
    if (entry.type == Entry::Type::kWhiteout) {
      return below == nullptr;
    }
    if (below == nullptr) {
      return false;
    }
    Entry same = entry;
    same.link_group = below->link_group;
    return same == *below;
  }

  // Whiteouts of what `node` hides of the base, by name.
  static std::vector<Entry> HiddenBy(const Node& node) {
    std::vector<Entry> hidden;
    if (!node.hides_base || node.base == nullptr) {
      return hidden;
    }
    for (const Entry& below : node.base->entries) {
      if (node.directory.Find(below.name) == nullptr) {
        Entry whiteout;
        whiteout.name = below.name;
        whiteout.type = Entry::Type::kWhiteout;
        hidden.push_back(std::move(whiteout));
      }
    }
    return hidden;
  }

  // Stores `node`, bottom up; nullopt, with nothing stored, for a directory below the root that is
  // unchanged. `path` is its path below the upper, "" or with a slash at its end.
  StatusOr<std::optional<tree::TreeRef>> Build(Node& node, const std::string& path) {
    std::vector<Entry> kept = HiddenBy(node);
    const std::vector<Entry> hidden = kept;
    bool changed = !hidden.empty();  // on the disk, and so in its time
    size_t next_child = 0;
    for (size_t i = 0; i < node.directory.entries.size(); ++i) {
      Entry& entry = node.directory.entries[i];
      const std::string entry_path = path + entry.name;
      bool unchanged = false;
      if (IsDirectory(entry)) {
        Node& child = *node.children[next_child++];
        ASSIGN_OR_RETURN(entry.directory, Build(child, entry_path + "/"));
        unchanged = !entry.directory.has_value();
      } else {
        Complete(entry, node.files[i]);
        unchanged = IsUnchanged(entry, node.base.get());
      }
      if (unchanged) {
        RETURN_IF_ERROR(Remove(entry_path, IsDirectory(entry)));
        changed = true;
      } else {
        kept.push_back(std::move(entry));
      }
    }
    for (const std::string& name : node.dropped) {
      RETURN_IF_ERROR(Remove(path + name, false));
      changed = true;
    }
    for (const Entry& whiteout : hidden) {
      const std::string name = path + whiteout.name;
      if (::mknodat(upper_fd_, name.c_str(), S_IFCHR, 0) != 0) {
        return ErrnoStatus(errno, absl::StrCat("remove ", name));
      }
    }
    std::sort(kept.begin(), kept.end(),
              [](const Entry& a, const Entry& b) { return a.name < b.name; });
    node.directory.entries = std::move(kept);
    node.children.clear();
    if (changed) {
      RETURN_IF_ERROR(fs::ApplyMetadata(
          upper_fd_, path.empty() ? "" : path.substr(0, path.size() - 1), fs::Kind::kDirectory,
          node.directory.metadata, {.owner = false, .mode = false, .xattrs = false}));
    }
    if (!path.empty() && IsUnchanged(node)) {
      return std::optional<tree::TreeRef>();
    }
    node.directory.touched = !path.empty() && node.base != nullptr &&
                             tree::EqualButTimes(node.base->metadata, node.directory.metadata);
    ASSIGN_OR_RETURN(tree::TreeRef stored, trees_.Store(std::move(node.directory)));
    return std::optional<tree::TreeRef>(std::move(stored));
  }

  void Complete(Entry& entry, size_t file) {
    if (entry.type == Entry::Type::kFile) {
      entry.file = files_[file].digest;
      if (shared_.contains(file)) {
        entry.link_group = tree::LinkGroupOf(files_[file].path, entry);
      }
    }
  }

  Status Remove(const std::string& path, bool directory) {
    if (::unlinkat(upper_fd_, path.c_str(), directory ? AT_REMOVEDIR : 0) != 0) {
      return ErrnoStatus(errno, absl::StrCat("remove ", path));
    }
    return absl::OkStatus();
  }

  tree::TreeStore& trees_;
  const int upper_fd_;
  const CancelToken& cancel_;
  std::vector<WrittenFile> files_;
  std::map<std::pair<dev_t, ino_t>, size_t> inodes_;  // with several names -> index in files_
  std::set<size_t> shared_;                           // files that were met twice
};

}  // namespace

StatusOr<tree::TreeRef> ReadUpper(tree::TreeStore& trees, int upper_fd, const tree::TreeRef& base,
                                  const CancelToken& cancel) {
  return UpperReader(trees, upper_fd, cancel).Run(base);
}

}  // namespace cairn::snapshot

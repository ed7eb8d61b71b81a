#include "daemon/exporter/tree_listing.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cache/tree/algebra.h"

namespace cairn::exporter {
namespace {

using Type = tree::Entry::Type;

constexpr int64_t kNanoseconds = 1'000'000'000;

mode_t TypeBits(Type type) {
  switch (type) {
    case Type::kDirectory:
      return S_IFDIR;
    case Type::kSymlink:
      return S_IFLNK;
    case Type::kFifo:
      return S_IFIFO;
    case Type::kCharDevice:
      return S_IFCHR;
    case Type::kBlockDevice:
      return S_IFBLK;
    default:
      return S_IFREG;
  }
}

void SetMetadata(const fs::Metadata& metadata, session::FileStat& stat) {
  stat.mode |= metadata.mode & 07777;
  stat.uid = metadata.uid;
  stat.gid = metadata.gid;
  stat.mtime_ns = metadata.mtime_ns;
  stat.xattrs = metadata.xattrs;
}

}  // namespace

struct TreeListing::Level {
  std::shared_ptr<const tree::Directory> directory;
  std::string prefix;
  size_t next = 0;
};

TreeListing::TreeListing(tree::TreeStore& trees, std::vector<ListedTree> roots)
    : trees_(trees), roots_(std::move(roots)) {
  std::sort(roots_.begin(), roots_.end(),
            [](const ListedTree& a, const ListedTree& b) { return a.directory < b.directory; });
}

TreeListing::~TreeListing() = default;

Status TreeListing::Enter(const tree::TreeRef& tree, std::string prefix) {
  ASSIGN_OR_RETURN(std::shared_ptr<const tree::Directory> directory, trees_.Load(tree.digest));
  levels_.push_back({.directory = std::move(directory), .prefix = std::move(prefix)});
  return absl::OkStatus();
}

// Begins the next root: its directory, if it has one, is the first entry.
Status TreeListing::StartRoot() {
  const ListedTree& root = roots_[next_root_++];
  groups_.clear();
  extras_ = root.extra_files;
  if (!root.directory.empty()) {
    ListedEntry entry;
    entry.stat.path = root.directory;
    entry.stat.mode = S_IFDIR | 0755;
    entry.stat.mtime_ns = root.epoch.value_or(0) * kNanoseconds;
    pending_ = std::move(entry);
  }
  return Enter(root.tree, root.directory.empty() ? "" : root.directory + "/");
}

StatusOr<ListedEntry> TreeListing::Describe(const tree::Entry& entry, const std::string& path) {
  ListedEntry listed;
  session::FileStat& stat = listed.stat;
  stat.path = path;
  stat.mode = TypeBits(entry.type);
  if (entry.type == Type::kWhiteout) {
    return absl::InternalError(absl::StrCat(path, ": a whiteout in a whole tree"));
  }
  if (entry.type == Type::kDirectory) {
    ASSIGN_OR_RETURN(const std::shared_ptr<const tree::Directory> directory,
                     trees_.Load(entry.directory->digest));
    SetMetadata(directory->metadata, stat);
  } else {
    SetMetadata(entry.metadata, stat);
  }
  if (entry.type == Type::kSymlink) {
    stat.link_name = entry.target;
    stat.size = static_cast<int64_t>(entry.target.size());
  } else if (entry.type == Type::kFile) {
    stat.size = static_cast<int64_t>(entry.size);
    listed.file = entry.file;
    if (entry.link_group != 0) {
      const auto [first, is_first] = groups_.emplace(entry.link_group, path);
      if (!is_first) {
        stat.hard_link = true;
        stat.link_name = first->second;
        listed.file.reset();
      }
    }
  } else if (entry.type == Type::kCharDevice || entry.type == Type::kBlockDevice) {
    stat.dev_major = major(entry.device);
    stat.dev_minor = minor(entry.device);
  }
  const std::optional<int64_t>& epoch = roots_[next_root_ - 1].epoch;
  if (epoch.has_value()) {
    stat.mtime_ns = *epoch * kNanoseconds;
  }
  return listed;
}

StatusOr<std::optional<ListedEntry>> TreeListing::Next() {
  for (;;) {
    if (pending_.has_value()) {
      ListedEntry entry = *std::move(pending_);
      pending_.reset();
      return entry;
    }
    if (levels_.empty()) {
      if (next_root_ == roots_.size()) {
        return std::nullopt;
      }
      RETURN_IF_ERROR(StartRoot());
      continue;
    }
    Level& level = levels_.back();
    const bool done = level.next == level.directory->entries.size();
    // Extra files lie between the entries of the top directory.
    if (levels_.size() == 1 && !extras_.empty() &&
        (done || extras_.begin()->first <= level.directory->entries[level.next].name)) {
      ListedEntry extra;
      extra.stat.path = level.prefix + extras_.begin()->first;
      if (!done && extras_.begin()->first == level.directory->entries[level.next].name) {
        return absl::AlreadyExistsError(
            absl::StrCat("the result has a file ", extra.stat.path, " of its own"));
      }
      extra.data = std::move(extras_.begin()->second);
      extra.stat.mode = S_IFREG | 0600;
      extra.stat.size = static_cast<int64_t>(extra.data.size());
      extra.stat.mtime_ns = roots_[next_root_ - 1].epoch.value_or(0) * kNanoseconds;
      extras_.erase(extras_.begin());
      return extra;
    }
    if (done) {
      levels_.pop_back();
      continue;
    }
    const std::shared_ptr<const tree::Directory> directory = level.directory;
    const tree::Entry& entry = directory->entries[level.next++];
    const std::string path = level.prefix + entry.name;
    ASSIGN_OR_RETURN(ListedEntry listed, Describe(entry, path));
    if (entry.type == Type::kDirectory) {
      RETURN_IF_ERROR(Enter(*entry.directory, path + "/"));
    }
    return listed;
  }
}

Status CheckWhole(tree::TreeStore& trees, const std::vector<ListedTree>& roots,
                  const CancelToken& cancel) {
  for (const ListedTree& root : roots) {
    RETURN_IF_ERROR(tree::Walk(trees, root.tree,
                               [&](const std::string& path, const tree::Entry& entry,
                                   const tree::Directory*) -> StatusOr<tree::Visit> {
                                 RETURN_IF_ERROR(cancel.Check());
                                 if (entry.file.has_value()) {
                                   RETURN_IF_ERROR_IN(trees.blobs().Stat(*entry.file).status(),
                                                      absl::StrCat("export ", path));
                                 }
                                 return tree::Visit::kContinue;
                               }));
  }
  return absl::OkStatus();
}

}  // namespace cairn::exporter

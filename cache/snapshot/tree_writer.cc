#include "cache/snapshot/tree_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "cache/snapshot/overlay.h"
#include "runtime/base/fd.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"
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

// After this many entries a second thread helps.
constexpr size_t kEntriesForHelp = 256;

// A directory is one task: its entries are made, then it gets its metadata, which nothing below it
// changes. Hard links come last, so that it does not matter which thread makes the first name.
class TreeWriter {
 public:
  TreeWriter(tree::TreeStore& trees, const fs::RootDir& root, const WriteOptions& options)
      : trees_(trees),
        root_(root),
        cancel_(options.cancel),
        lower_(options.use == WriteOptions::Use::kLower) {}

  Status Run(const Digest& root) {
    AddTasks({{"", root}}, 0);
    Work();
    if (help_.joinable()) {
      help_.join();
    }
    std::vector<Member> members;
    {
      MutexLock lock(mu_);
      RETURN_IF_ERROR(failure_);
      members = std::move(members_);
    }
    return WriteLinks(std::move(members));
  }

 private:
  struct Task {
    std::string path;  // "" for the root
    Digest directory;
    int depth = 0;
  };
  // A file of a link group.
  struct Member {
    std::string directory;
    std::shared_ptr<const tree::Directory> loaded;  // keeps `entry`
    const Entry* entry;
    std::string path() const {
      return directory.empty() ? entry->name : absl::StrCat(directory, "/", entry->name);
    }
  };

  // Does tasks until none is left.
  void Work() {
    while (std::optional<Task> task = NextTask()) {
      Status status = WriteDirectory(*task);
      EndTask(task->path.empty() ? std::move(status) : Annotate(status, task->path));
    }
  }

  std::optional<Task> NextTask() {
    MutexLock lock(mu_);
    while (tasks_.empty() && busy_ > 0) {
      changed_.Wait(mu_);
    }
    if (tasks_.empty()) {
      return std::nullopt;
    }
    Task task = std::move(tasks_.back());
    tasks_.pop_back();
    ++busy_;
    return task;
  }

  void EndTask(const Status& status) {
    MutexLock lock(mu_);
    --busy_;
    if (!status.ok()) {
      failure_.Update(status);
      tasks_.clear();
    }
    changed_.NotifyAll();
  }

  Status WriteDirectory(const Task& task) {
    if (task.depth > tree::kMaxDepth) {
      return absl::ResourceExhaustedError("directories are nested too deeply");
    }
    ASSIGN_OR_RETURN(const auto directory, trees_.Load(task.directory));
    ASSIGN_OR_RETURN(const UniqueFd fd, root_.OpenFile(task.path.empty() ? "." : task.path,
                                                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    std::vector<Task> below;
    for (const Entry& entry : directory->entries) {
      RETURN_IF_ERROR(cancel_.Check());
      if (entry.type == Entry::Type::kDirectory) {
        RETURN_IF_ERROR_IN(MakeDirectory(entry.name, fd.get()), entry.name);
        below.push_back({absl::StrCat(task.path, task.path.empty() ? "" : "/", entry.name),
                         entry.directory->digest, task.depth + 1});
      } else if (entry.link_group != 0) {
        MutexLock lock(mu_);
        members_.push_back({task.path, directory, &entry});
      } else {
        RETURN_IF_ERROR_IN(WriteEntry(entry, fd.get()), entry.name);
      }
    }
    if (lower_ && directory->opaque && !task.path.empty() &&
        ::fsetxattr(fd.get(), kOpaqueXattr, "y", 1, 0) != 0) {
      return ErrnoStatus(errno, "mark as opaque");
    }
    AddTasks(std::move(below), directory->entries.size());
    return SetMetadata(task.path, fd.get(), directory->metadata);
  }

  Status SetMetadata(const std::string& path, int fd, const fs::Metadata& metadata) {
    if (path.empty() && !lower_) {
      return absl::OkStatus();
    }
    return fs::ApplyMetadata(fd, "", fs::Kind::kDirectory, metadata);
  }

  void AddTasks(std::vector<Task> tasks, size_t written) {
    MutexLock lock(mu_);
    if (!failure_.ok()) {
      return;
    }
    written_ += written;
    std::move(tasks.begin(), tasks.end(), std::back_inserter(tasks_));
    if (written_ >= kEntriesForHelp && !tasks_.empty() && !help_.joinable()) {
      help_ = StartThread("snapshot", [this] { Work(); });
    }
    changed_.NotifyAll();
  }

  Status MakeDirectory(const std::string& name, int parent) {
    if (::mkdirat(parent, name.c_str(), 0700) == 0) {
      return absl::OkStatus();
    }
    struct stat status = {};
    if (lower_ || errno != EEXIST) {
      return ErrnoStatus(errno, "make directory");
    }
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return ErrnoStatus(errno, "stat");
    }
    if (S_ISDIR(status.st_mode)) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(fs::RemoveTree(parent, name));
    return ::mkdirat(parent, name.c_str(), 0700) == 0 ? absl::OkStatus()
                                                      : ErrnoStatus(errno, "make directory");
  }

  Status WriteEntry(const Entry& entry, int parent) {
    if (!lower_) {
      RETURN_IF_ERROR(fs::RemoveTree(parent, entry.name));
    }
    const fs::Kind kind = KindOfType(entry.type);
    switch (entry.type) {
      case Entry::Type::kFile:
        return trees_.blobs().Materialize(*entry.file, entry.metadata, parent, entry.name,
                                          MayLink(*entry.file));
      case Entry::Type::kWhiteout:
        return lower_ ? MakeNode(parent, entry.name, S_IFCHR, 0) : absl::OkStatus();
      case Entry::Type::kSymlink:
        if (::symlinkat(entry.target.c_str(), parent, entry.name.c_str()) != 0) {
          return ErrnoStatus(errno, "make link");
        }
        break;
      default:
        RETURN_IF_ERROR(MakeNode(parent, entry.name, fs::TypeBits(kind), entry.device));
    }
    return fs::ApplyMetadata(parent, entry.name, kind, entry.metadata);
  }

  bool MayLink(const Digest& blob) {
    if (!lower_) {
      return false;
    }
    MutexLock lock(mu_);
    return linked_.insert(blob).second;
  }

  Status MakeNode(int parent, const std::string& name, mode_t type, dev_t device) {
    if (::mknodat(parent, name.c_str(), type, device) != 0) {
      return ErrnoStatus(errno, "make node");
    }
    return absl::OkStatus();
  }

  // Writes the files of link groups, and gives the directories that they are in their times back.
  // One thread is left.
  Status WriteLinks(std::vector<Member> members) {
    std::sort(members.begin(), members.end(),
              [](const Member& a, const Member& b) { return a.path() < b.path(); });
    std::map<uint64_t, std::vector<const Member*>> groups;
    std::map<std::string, const fs::Metadata*> directories;
    for (const Member& member : members) {
      RETURN_IF_ERROR(cancel_.Check());
      RETURN_IF_ERROR_IN(WriteMember(member, groups[member.entry->link_group]), member.path());
      directories.try_emplace(member.directory, &member.loaded->metadata);
    }
    for (const auto& directory : directories) {
      ASSIGN_OR_RETURN(const fs::RootDir opened, root_.OpenDirectory(directory.first));
      RETURN_IF_ERROR_IN(SetMetadata(directory.first, opened.fd(), *directory.second),
                         directory.first);
    }
    return absl::OkStatus();
  }

  Status WriteMember(const Member& member, std::vector<const Member*>& group) {
    const Entry& entry = *member.entry;
    ASSIGN_OR_RETURN(const fs::RootDir parent, root_.OpenDirectory(member.directory));
    // A group's members may differ where a delta replaced some of them.
    for (const Member* first : group) {
      if (first->entry->file == entry.file && first->entry->metadata == entry.metadata) {
        if (!lower_) {
          RETURN_IF_ERROR(fs::RemoveTree(parent.fd(), entry.name));
        }
        const std::string existing = first->path();
        const Status linked = root_.HardLink(existing, member.path());
        if (ErrnoOf(linked) != EMLINK) {
          return linked;
        }
      }
    }
    group.push_back(&member);
    return WriteEntry(entry, parent.fd());
  }

  tree::TreeStore& trees_;
  const fs::RootDir& root_;
  const CancelToken& cancel_;
  const bool lower_;

  std::thread help_;
  Mutex mu_;
  CondVar changed_;
  std::vector<Task> tasks_ ABSL_GUARDED_BY(mu_);  // the last one is next
  int busy_ ABSL_GUARDED_BY(mu_) = 0;
  size_t written_ ABSL_GUARDED_BY(mu_) = 0;
  Status failure_ ABSL_GUARDED_BY(mu_);
  std::vector<Member> members_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<Digest> linked_ ABSL_GUARDED_BY(mu_);  // blobs whose inode the tree has
};

}  // namespace

Status WriteTree(tree::TreeStore& trees, const Digest& tree, int directory_fd,
                 const WriteOptions& options) {
  UniqueFd opened(::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.valid()) {
    return ErrnoStatus(errno, "open directory");
  }
  const fs::RootDir root(std::move(opened));
  return TreeWriter(trees, root, options).Run(tree);
}

}  // namespace cairn::snapshot

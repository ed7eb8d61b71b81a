#include "runtime/fs/tree_walk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <deque>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/fd.h"
#include "runtime/fs/root_dir.h"

namespace cairn::fs {
namespace {

// Directories on the way down that are kept open; those above are closed and opened again through
// ".." when the walk comes back to them.
constexpr size_t kOpenLevels = 64;

struct Level {
  UniqueFd fd;
  dev_t device = 0;
  ino_t inode = 0;
  std::vector<std::string> names;
  size_t next = 0;
  size_t path_size = 0;  // of this directory's path in Walk::path_
};

class Walk {
 public:
  Walk(const WalkOptions& options,
       const std::function<StatusOr<WalkAction>(const WalkEntry&)>& visit,
       const std::function<Status(const std::string&)>& leave)
      : options_(options), visit_(visit), leave_(leave) {}

  Status Run(int directory_fd) {
    UniqueFd root(::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root.valid()) {
      return ErrnoStatus(errno, "open directory");
    }
    RETURN_IF_ERROR(Enter(std::move(root)));
    while (!levels_.empty()) {
      RETURN_IF_ERROR(options_.cancel.Check());
      Level& level = levels_.back();
      path_.resize(level.path_size);
      if (level.next == level.names.size()) {
        RETURN_IF_ERROR(Leave());
        continue;
      }
      const std::string name = std::move(level.names[level.next++]);
      ASSIGN_OR_RETURN(const bool go_on, Visit(level, name));
      if (!go_on) {
        return absl::OkStatus();
      }
    }
    return absl::OkStatus();
  }

 private:
  Status Enter(UniqueFd fd) {
    Level level;
    struct stat status = {};
    if (::fstat(fd.get(), &status) != 0) {
      return ErrnoStatus(errno, absl::StrCat("stat ", path_));
    }
    ASSIGN_OR_RETURN_IN(level.names, ListDirectory(fd.get()), path_);
    level.fd = std::move(fd);
    level.device = status.st_dev;
    level.inode = status.st_ino;
    level.path_size = path_.size();
    levels_.push_back(std::move(level));
    // The root stays open: it may be reached in no other way.
    if (levels_.size() > kOpenLevels + 1) {
      levels_[levels_.size() - 1 - kOpenLevels].fd.Reset();
    }
    return absl::OkStatus();
  }

  Status Leave() {
    Level done = std::move(levels_.back());
    levels_.pop_back();
    if (levels_.empty()) {
      return absl::OkStatus();
    }
    Level& level = levels_.back();
    if (!level.fd.valid()) {
      level.fd = UniqueFd(::openat(done.fd.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      struct stat status = {};
      if (!level.fd.valid() || ::fstat(level.fd.get(), &status) != 0) {
        return ErrnoStatus(errno, absl::StrCat("go up from ", path_));
      }
      if (status.st_dev != level.device || status.st_ino != level.inode) {
        return absl::AbortedError(absl::StrCat("walk ", path_, ": moved meanwhile"));
      }
    }
    return leave_ ? leave_(path_) : absl::OkStatus();
  }

  // Returns false when the visit ended the walk.
  StatusOr<bool> Visit(const Level& level, const std::string& name) {
    const int parent = level.fd.get();
    struct stat status = {};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) {
        return true;
      }
      return ErrnoStatus(errno, absl::StrCat("stat ", path_, "/", name));
    }
    if (!path_.empty()) {
      path_ += '/';
    }
    path_ += name;
    const Kind kind = KindOf(status.st_mode);
    std::string target;
    if (kind == Kind::kSymlink) {
      char buffer[PATH_MAX];
      const ssize_t size = ::readlinkat(parent, name.c_str(), buffer, sizeof buffer);
      if (size < 0) {
        return ErrnoStatus(errno, absl::StrCat("read link ", path_));
      }
      target.assign(buffer, static_cast<size_t>(size));
    }
    std::map<std::string, std::string> xattrs;
    if (options_.xattrs) {
      ASSIGN_OR_RETURN_IN(xattrs, ReadXattrs(parent, name), path_);
    }
    ASSIGN_OR_RETURN(const WalkAction action,
                     visit_(WalkEntry{path_, name, parent, kind, status, target, xattrs}));
    if (action == WalkAction::kStop) {
      return false;
    }
    if (kind != Kind::kDirectory || action == WalkAction::kSkip) {
      return true;
    }
    UniqueFd child(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child.valid()) {
      return ErrnoStatus(errno, absl::StrCat("open directory ", path_));
    }
    RETURN_IF_ERROR(Enter(std::move(child)));
    return true;
  }

  const WalkOptions& options_;
  const std::function<StatusOr<WalkAction>(const WalkEntry&)>& visit_;
  const std::function<Status(const std::string&)>& leave_;
  std::deque<Level> levels_;
  std::string path_;
};

}  // namespace

Metadata WalkEntry::metadata() const {
  Metadata metadata = MetadataFrom(status);
  metadata.xattrs = xattrs;
  return metadata;
}

Status WalkTree(int directory_fd, const WalkOptions& options,
                const std::function<StatusOr<WalkAction>(const WalkEntry&)>& visit,
                const std::function<Status(const std::string& path)>& leave) {
  return Walk(options, visit, leave).Run(directory_fd);
}

}  // namespace cairn::fs

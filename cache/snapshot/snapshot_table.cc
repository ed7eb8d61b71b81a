#include "cache/snapshot/snapshot_table.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/fault_point.h"
#include "runtime/fs/metadata.h"
#include "runtime/fs/root_dir.h"
#include "runtime/fs/tree_walk.h"

namespace cairn::snapshot {
namespace {

constexpr char kLower[] = "lower";
constexpr char kUpper[] = "upper";
constexpr char kWork[] = "work";
constexpr char kTmp[] = "tmp";

StatusOr<UniqueFd> OpenDirectory(int parent, const std::string& name) {
  UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("open directory ", name));
  }
  return fd;
}

Status MakeDirectory(int parent, const std::string& name, bool may_exist = false) {
  if (::mkdirat(parent, name.c_str(), 0700) != 0 && !(may_exist && errno == EEXIST)) {
    return ErrnoStatus(errno, absl::StrCat("make directory ", name));
  }
  return absl::OkStatus();
}

Status RemoveAllIn(int directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs::ListDirectory(directory));
  for (const std::string& name : names) {
    RETURN_IF_ERROR(fs::RemoveTree(directory, name));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::shared_ptr<SnapshotTable>> SnapshotTable::Open(const std::string& root,
                                                             bool discard) {
  std::error_code error;
  std::filesystem::create_directories(root, error);
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("create ", root));
  }
  const std::filesystem::path absolute = std::filesystem::canonical(root, error);
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("find ", root));
  }
  if (::chmod(absolute.c_str(), 0700) != 0) {
    return ErrnoStatus(errno, absl::StrCat("change mode of ", root));
  }
  std::shared_ptr<SnapshotTable> table(new SnapshotTable(absolute.string()));
  RETURN_IF_ERROR_IN(table->OpenDirectories(discard), root);
  RETURN_IF_ERROR_IN(table->LoadSnapshots(), root);
  return table;
}

Status SnapshotTable::OpenDirectories(bool discard) {
  ASSIGN_OR_RETURN(const UniqueFd root, OpenDirectory(AT_FDCWD, root_));
  const std::pair<const char*, UniqueFd*> directories[] = {
      {kLower, &lower_}, {kUpper, &upper_}, {kWork, &work_}, {kTmp, &tmp_}};
  for (const auto& directory : directories) {
    RETURN_IF_ERROR(MakeDirectory(root.get(), directory.first, /*may_exist=*/true));
    ASSIGN_OR_RETURN(*directory.second, OpenDirectory(root.get(), directory.first));
    if (directory.second != &lower_ || discard) {
      RETURN_IF_ERROR(RemoveAllIn(directory.second->get()));
    }
  }
  return absl::OkStatus();
}

Status SnapshotTable::LoadSnapshots() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs::ListDirectory(lower_.get()));
  std::vector<std::pair<int64_t, Digest>> found;
  for (const std::string& name : names) {
    const StatusOr<Digest> digest = Digest::FromHex(name);
    struct stat status = {};
    if (!digest.ok() || ::fstatat(lower_.get(), name.c_str(), &status, 0) != 0) {
      RETURN_IF_ERROR(fs::RemoveTree(lower_.get(), name));
      continue;
    }
    found.emplace_back(fs::ToNanoseconds(status.st_ctim.tv_sec, status.st_ctim.tv_nsec), *digest);
  }
  std::sort(found.begin(), found.end());
  MutexLock lock(mu_);
  for (const auto& snapshot : found) {
    known_[snapshot.second] = Snapshot{.state = Snapshot::State::kReady, .last_use = ++clock_};
  }
  return absl::OkStatus();
}

std::string SnapshotTable::PathOf(const Digest& digest) const {
  return absl::StrCat(root_, "/", kLower, "/", digest.hex());
}

std::string SnapshotTable::NextName() { return absl::StrCat(++next_name_); }

StatusOr<std::unique_ptr<SnapshotTable::Held>> SnapshotTable::FindOrClaim(
    const Digest& digest, const CancelToken& cancel) {
  const CancelCallback wake(cancel, [this] {
    MutexLock lock(mu_);
    changed_.NotifyAll();
  });
  MutexLock lock(mu_);
  for (;;) {
    const auto claimed = known_.try_emplace(digest);
    Snapshot& snapshot = claimed.first->second;
    if (claimed.second) {
      return std::unique_ptr<Held>();
    }
    if (snapshot.state == Snapshot::State::kReady) {
      ++snapshot.holds;
      snapshot.last_use = ++clock_;
      return std::make_unique<Held>(shared_from_this(), digest);
    }
    RETURN_IF_ERROR(cancel.Check());
    changed_.Wait(mu_);
  }
}

StatusOr<std::unique_ptr<SnapshotTable::Held>> SnapshotTable::Acquire(
    const Digest& digest, const CancelToken& cancel,
    const std::function<Status(int directory_fd)>& make) {
  ASSIGN_OR_RETURN(std::unique_ptr<Held> held, FindOrClaim(digest, cancel));
  if (held != nullptr) {
    return held;
  }
  const Status made = Make(digest, make);
  Settle(digest, made.ok(), /*holds=*/1);
  RETURN_IF_ERROR(made);
  return std::make_unique<Held>(shared_from_this(), digest);
}

Status SnapshotTable::Make(const Digest& digest,
                           const std::function<Status(int directory_fd)>& make) {
  const std::string name = NextName();
  const auto fill = [&]() -> Status {
    RETURN_IF_ERROR(MakeDirectory(tmp_.get(), name));
    ASSIGN_OR_RETURN(const UniqueFd fd, OpenDirectory(tmp_.get(), name));
    RETURN_IF_ERROR(make(fd.get()));
    CAIRN_FAULT_POINT("snapshot.make.rename");
    if (::renameat(tmp_.get(), name.c_str(), lower_.get(), digest.hex().c_str()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("place snapshot ", digest.hex()));
    }
    return absl::OkStatus();
  };
  const Status filled = fill();
  if (!filled.ok()) {
    RemoveSoon(tmp_.get(), name);
  }
  return filled;
}

void SnapshotTable::RemoveSoon(int directory_fd, const std::string& name) {
  // What cannot be removed now is removed at the next start.
  remover_.Post([directory_fd, name] { fs::RemoveTree(directory_fd, name).IgnoreError(); });
}

void SnapshotTable::Settle(const Digest& digest, bool made, int holds) {
  MutexLock lock(mu_);
  if (made) {
    known_[digest] =
        Snapshot{.state = Snapshot::State::kReady, .holds = holds, .last_use = ++clock_};
  } else {
    known_.erase(digest);
  }
  changed_.NotifyAll();
}

void SnapshotTable::Release(const Digest& digest) {
  MutexLock lock(mu_);
  const auto found = known_.find(digest);
  if (found != known_.end()) {
    --found->second.holds;
  }
}

SnapshotTable::Workspace::Workspace(std::shared_ptr<SnapshotTable> table, std::string name,
                                    UniqueFd upper)
    : table_(std::move(table)),
      name_(std::move(name)),
      upper_directory_(absl::StrCat(table_->root_, "/", kUpper, "/", name_)),
      work_directory_(absl::StrCat(table_->root_, "/", kWork, "/", name_)),
      upper_(std::move(upper)) {}

SnapshotTable::Workspace::~Workspace() {
  table_->RemoveSoon(table_->work_.get(), name_);
  if (!kept_) {
    table_->RemoveSoon(table_->upper_.get(), name_);
  }
}

StatusOr<std::unique_ptr<SnapshotTable::Workspace>> SnapshotTable::NewWorkspace() {
  const std::string name = NextName();
  RETURN_IF_ERROR(MakeDirectory(upper_.get(), name));
  StatusOr<UniqueFd> fd = OpenDirectory(upper_.get(), name);
  if (!fd.ok()) {
    RemoveSoon(upper_.get(), name);
    return fd.status();
  }
  // From here on its destructor removes what was made.
  auto workspace = std::make_unique<Workspace>(shared_from_this(), name, *std::move(fd));
  RETURN_IF_ERROR(MakeDirectory(work_.get(), name));
  return workspace;
}

Status SnapshotTable::Keep(Workspace& workspace, const Digest& digest) {
  {
    MutexLock lock(mu_);
    if (!known_.try_emplace(digest).second) {
      return absl::OkStatus();
    }
  }
  const auto move = [&]() -> Status {
    CAIRN_FAULT_POINT("snapshot.keep.rename");
    if (::renameat(upper_.get(), workspace.name_.c_str(), lower_.get(), digest.hex().c_str()) !=
        0) {
      return ErrnoStatus(errno, absl::StrCat("place snapshot ", digest.hex()));
    }
    workspace.kept_ = true;
    return absl::OkStatus();
  };
  const Status moved = move();
  Settle(digest, moved.ok(), /*holds=*/0);
  return moved;
}

std::vector<std::pair<int64_t, Digest>> SnapshotTable::Unused() {
  std::vector<std::pair<int64_t, Digest>> unused;
  MutexLock lock(mu_);
  for (const auto& item : known_) {
    if (item.second.state == Snapshot::State::kReady && item.second.holds == 0) {
      unused.emplace_back(item.second.last_use, item.first);
    }
  }
  std::sort(unused.begin(), unused.end());
  return unused;
}

StatusOr<uint64_t> SnapshotTable::Measure(const Digest& digest) {
  ASSIGN_OR_RETURN(const UniqueFd directory, OpenDirectory(lower_.get(), digest.hex()));
  uint64_t blocks = 0;
  RETURN_IF_ERROR(fs::WalkTree(directory.get(), {.xattrs = false},
                               [&](const fs::WalkEntry& entry) -> StatusOr<fs::WalkAction> {
                                 if (entry.kind == fs::Kind::kDirectory ||
                                     entry.status.st_nlink == 1) {
                                   blocks += static_cast<uint64_t>(entry.status.st_blocks);
                                 }
                                 return fs::WalkAction::kContinue;
                               }));
  return blocks * 512;
}

StatusOr<uint64_t> SnapshotTable::UnusedBytes() {
  uint64_t bytes = 0;
  for (const auto& candidate : Unused()) {
    const Digest& digest = candidate.second;
    {
      MutexLock lock(mu_);
      const auto found = known_.find(digest);
      if (found == known_.end() || found->second.state != Snapshot::State::kReady) {
        continue;
      }
      if (found->second.bytes.has_value()) {
        bytes += *found->second.bytes;
        continue;
      }
      ++found->second.holds;
    }
    const Held held(shared_from_this(), digest);
    ASSIGN_OR_RETURN(const uint64_t measured, Measure(digest));
    bytes += measured;
    MutexLock lock(mu_);
    known_[digest].bytes = measured;
  }
  return bytes;
}

StatusOr<uint64_t> SnapshotTable::RemoveUnused(uint64_t wanted) {
  uint64_t removed = 0;
  for (const auto& candidate : Unused()) {
    if (removed >= wanted) {
      break;
    }
    const Digest& digest = candidate.second;
    {
      MutexLock lock(mu_);
      const auto found = known_.find(digest);
      if (found == known_.end() || found->second.state != Snapshot::State::kReady ||
          found->second.holds > 0 || found->second.last_use != candidate.first) {
        continue;
      }
      found->second.state = Snapshot::State::kRemoving;
    }
    const StatusOr<uint64_t> bytes = Measure(digest);
    const std::string name = NextName();
    const bool moved =
        ::renameat(lower_.get(), digest.hex().c_str(), tmp_.get(), name.c_str()) == 0;
    const Status status =
        moved ? bytes.status() : ErrnoStatus(errno, absl::StrCat("remove ", digest.hex()));
    Settle(digest, /*made=*/!moved, /*holds=*/0);
    RETURN_IF_ERROR(status);
    RETURN_IF_ERROR(fs::RemoveTree(tmp_.get(), name));
    removed += *bytes;
  }
  return removed;
}

}  // namespace cairn::snapshot

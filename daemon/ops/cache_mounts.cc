#include "daemon/ops/cache_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/digest.h"
#include "runtime/fs/root_dir.h"

namespace cairn::ops {

StatusOr<std::unique_ptr<CacheMounts>> CacheMounts::Open(const std::string& root,
                                                         gc::Ledger& ledger,
                                                         snapshot::Snapshotter& snapshots) {
  if (mkdir(root.c_str(), 0711) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make cache mount directory ", root));
  }
  return std::unique_ptr<CacheMounts>(new CacheMounts(root, ledger, snapshots));
}

CacheMounts::Use::~Use() { mounts_.Leave(name_); }

StatusOr<std::string> CacheMounts::Enter(const std::string& name, CacheSharing sharing,
                                         const CancelToken& cancel) {
  const CancelCallback wake(cancel, [this] {
    MutexLock lock(mu_);
    changed_.NotifyAll();
  });
  const bool exclusive = sharing != CacheSharing::kShared;
  MutexLock lock(mu_);
  std::string wanted = name;
  for (int number = 1;; ++number) {
    Users& users = users_[wanted];
    if (users.count == 0 || (!exclusive && !users.exclusive)) {
      ++users.count;
      users.exclusive = exclusive;
      return wanted;
    }
    if (sharing == CacheSharing::kPrivate) {
      wanted = absl::StrCat(name, "#", number);
      continue;
    }
    RETURN_IF_ERROR(cancel.Check());
    changed_.Wait(mu_);
  }
}

void CacheMounts::Leave(const std::string& name) {
  MutexLock lock(mu_);
  const auto found = users_.find(name);
  if (--found->second.count == 0) {
    users_.erase(found);
  }
  changed_.NotifyAll();
}

Status CacheMounts::Make(const std::string& directory, const Request& request,
                         const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const fs::RootDir root, fs::RootDir::Open(root_));
  const std::string name = directory.substr(directory.rfind('/') + 1);
  struct stat status;
  const bool exists = fstatat(root.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && !request.empty_first) {
    return absl::OkStatus();
  }
  if (exists) {
    RETURN_IF_ERROR(fs::RemoveTree(root.fd(), name));
  }
  // Filled under another name first: a directory that is there is whole.
  const std::string temporary = absl::StrCat(name, ".new");
  RETURN_IF_ERROR(fs::RemoveTree(root.fd(), temporary));
  if (mkdirat(root.fd(), temporary.c_str(), 0755) != 0) {
    return ErrnoStatus(errno, absl::StrCat("make cache mount ", request.id));
  }
  if (request.initial) {
    RETURN_IF_ERROR(
        snapshots_.Export(*request.initial, absl::StrCat(root_, "/", temporary), cancel));
  }
  return root.Rename(temporary, name);
}

StatusOr<std::unique_ptr<CacheMounts::Use>> CacheMounts::Acquire(const Request& request,
                                                                 gc::Lease& lease,
                                                                 const CancelToken& cancel) {
  std::string key = request.id;
  if (request.initial) {
    absl::StrAppend(&key, ":", request.initial->content.hex());
  }
  ASSIGN_OR_RETURN_IN(const std::string name, Enter(key, request.sharing, cancel),
                      absl::StrCat("wait for cache mount ", request.id));
  auto use = std::make_unique<Use>(*this, name, absl::StrCat(root_, "/", Digest::Of(name).hex()));
  const std::string identity = absl::StrCat("mount:", name);
  MutexLock lock(making_);
  RETURN_IF_ERROR(gc::UseOrAdd(ledger_, lease,
                               {.identity = identity,
                                .type = gc::RecordType::kCacheMount,
                                .description = request.description,
                                .is_mutable = true,
                                .directories = {use->directory()}}));
  RETURN_IF_ERROR_IN(Make(use->directory(), request, cancel),
                     absl::StrCat("cache mount ", request.id));
  return use;
}

}  // namespace cairn::ops

#include "daemon/source/git_repositories.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/digest.h"
#include "runtime/fs/root_dir.h"

namespace cairn::source {
namespace {

constexpr char kScratchPrefix[] = "scratch-";
// Each fetch adds a pack; with many of them git gets slow. Beginning anew costs one fetch.
constexpr size_t kMaxPacks = 400;

Status RemoveScratch(const fs::RootDir& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs::ListDirectory(directory.fd()));
  for (const std::string& name : names) {
    if (absl::StartsWith(name, kScratchPrefix)) {
      RETURN_IF_ERROR(fs::RemoveTree(directory.fd(), name));
    }
  }
  return absl::OkStatus();
}

// Locks and half-written packs of a git that was killed.
Status CleanUp(const fs::RootDir& directory) {
  RETURN_IF_ERROR(RemoveScratch(directory));
  const StatusOr<fs::RootDir> repository = directory.OpenDirectory("repository");
  if (!repository.ok()) {
    return absl::IsNotFound(repository.status()) ? absl::OkStatus() : repository.status();
  }
  for (const char* lock : {"shallow.lock", "config.lock", "packed-refs.lock"}) {
    RETURN_IF_ERROR(repository->RemoveAll(lock));
  }
  RETURN_IF_ERROR(repository->RemoveAll("refs/fetched"));
  const StatusOr<fs::RootDir> packs = repository->OpenDirectory("objects/pack");
  if (!packs.ok()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs::ListDirectory(packs->fd()));
  for (const std::string& name : names) {
    if (absl::StartsWith(name, "tmp_")) {
      RETURN_IF_ERROR(packs->Remove(name));
    }
  }
  return names.size() > kMaxPacks ? fs::RemoveTree(directory.fd(), "repository") : absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<GitRepositories>> GitRepositories::Open(const std::string& root,
                                                                 gc::Ledger& ledger) {
  if (mkdir(root.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make the directory ", root));
  }
  ASSIGN_OR_RETURN(const fs::RootDir directory, fs::RootDir::Open(root));
  RETURN_IF_ERROR(RemoveScratch(directory));
  return std::unique_ptr<GitRepositories>(new GitRepositories(root, ledger));
}

StatusOr<fs::TempDir> GitRepositories::NewScratch() const {
  return fs::TempDir::Create(root_, kScratchPrefix);
}

StatusOr<std::unique_ptr<GitRepositories::Use>> GitRepositories::Acquire(
    const std::string& name, const std::string& description, gc::Lease& lease,
    const CancelToken& cancel) {
  ASSIGN_OR_RETURN(layer::KeyedLock::Guard guard, users_.Acquire(name, cancel));
  const std::string hash = Digest::Of(name).hex();  // names may hold credentials
  std::string path = absl::StrCat(root_, "/", hash);
  RETURN_IF_ERROR(gc::UseOrAdd(ledger_, lease,
                               {.identity = absl::StrCat("git:", hash),
                                .type = gc::RecordType::kGitCheckout,
                                .description = description,
                                .is_mutable = true,
                                .directories = {path}}));
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make the directory ", path));
  }
  ASSIGN_OR_RETURN(const fs::RootDir directory, fs::RootDir::Open(path));
  RETURN_IF_ERROR(CleanUp(directory));
  ASSIGN_OR_RETURN(fs::TempDir scratch, fs::TempDir::Create(path, kScratchPrefix));
  return std::make_unique<Use>(std::move(guard), std::move(path), std::move(scratch));
}

}  // namespace cairn::source

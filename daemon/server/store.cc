#include "daemon/server/store.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/fs/root_dir.h"

namespace cairn::server {
namespace {

constexpr char kDatabase[] = "database";
constexpr char kSnapshots[] = "snapshots";
constexpr char kMounts[] = "mounts";
constexpr char kGit[] = "git";

Status MakeDirectory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("make the directory ", path));
  }
  // Trees hold what their images hold: setuid programs, and secrets of the unwary.
  std::filesystem::permissions(path,
                               std::filesystem::perms::owner_all |
                                   std::filesystem::perms::group_exec |
                                   std::filesystem::perms::others_exec,
                               error);
  return error ? ErrnoStatus(error.value(), absl::StrCat("set the mode of ", path))
               : absl::OkStatus();
}

// Everything below `root`, which `lock` holds.
StatusOr<std::unique_ptr<Store>> OpenParts(const std::shared_ptr<fs::FileLock>& lock,
                                           const std::string& root, const Clock& clock) {
  std::unique_ptr<Store> store(
      new Store{lock, root, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}});
  ASSIGN_OR_RETURN(store->database, blob::Database::Open(absl::StrCat(root, "/", kDatabase)));
  ASSIGN_OR_RETURN(store->blobs,
                   blob::BlobStore::Open(absl::StrCat(root, "/blobs"), *store->database));
  store->trees = std::make_unique<tree::TreeStore>(*store->blobs);
  store->chains = std::make_unique<layer::ChainStore>(*store->trees, *store->database);
  ASSIGN_OR_RETURN(store->ledger, gc::Ledger::Open(*store->database, *store->trees, clock));
  store->collector = std::make_unique<gc::Collector>(*store->ledger, clock, root);
  store->images =
      std::make_unique<gc::ImageStore>(*store->database, *store->blobs, *store->ledger, clock);
  store->steps = std::make_unique<steps::StepTable>(*store->database);
  ASSIGN_OR_RETURN(store->snapshots, snapshot::Snapshotter::Open(
                                         absl::StrCat(root, "/", kSnapshots), *store->chains));
  snapshot::Snapshotter* snapshots = store->snapshots.get();
  store->ledger->AddDerived(
      {"snapshots:", gc::RecordType::kInternal, "mounted snapshots",
       [snapshots] { return snapshots->UnusedBytes(); },
       [snapshots](uint64_t wanted) { return snapshots->RemoveUnused(wanted); }});
  ASSIGN_OR_RETURN(store->cache_mounts, ops::CacheMounts::Open(absl::StrCat(root, "/", kMounts),
                                                               *store->ledger, *store->snapshots));
  ASSIGN_OR_RETURN(store->repositories,
                   source::GitRepositories::Open(absl::StrCat(root, "/", kGit), *store->ledger));
  store->layers = std::make_unique<layer::LayerExporter>(*store->trees, *store->database);
  return store;
}

// Puts away a database that `damage` was found in, and with it what nothing else accounts for:
// snapshots, which the same power loss may have damaged, and cache mounts and git repositories,
// which no record names any more. Files of blobs become strays, which the next sweep removes.
Status StartEmpty(const std::string& root, const Status& damage, Logger& log) {
  ASSIGN_OR_RETURN(const std::string aside,
                   blob::Database::SetAside(absl::StrCat(root, "/", kDatabase)));
  ASSIGN_OR_RETURN(const fs::RootDir directory, fs::RootDir::Open(root));
  for (const char* unaccounted : {kSnapshots, kMounts, kGit}) {
    RETURN_IF_ERROR(fs::RemoveTree(directory.fd(), unaccounted));
  }
  log.Error("the cache's database is damaged: starting with an empty cache",
            {{"error", damage.message()}, {"kept_as", aside}});
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& root, const Clock& clock,
                                             Logger& log) {
  RETURN_IF_ERROR(MakeDirectory(root));
  ASSIGN_OR_RETURN_IN(fs::FileLock acquired,
                      fs::FileLock::Acquire(absl::StrCat(root, "/cairnd.lock")),
                      absl::StrCat("use the state in ", root));
  const auto lock = std::make_shared<fs::FileLock>(std::move(acquired));
  StatusOr<std::unique_ptr<Store>> store = OpenParts(lock, root, clock);
  if (absl::IsDataLoss(store.status())) {
    RETURN_IF_ERROR(StartEmpty(root, store.status(), log));
    store = OpenParts(lock, root, clock);
  }
  return store;
}

}  // namespace cairn::server

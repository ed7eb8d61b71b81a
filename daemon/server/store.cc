#include "daemon/server/store.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cairn::server {
namespace {

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

}  // namespace

StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& root, const Clock& clock) {
  RETURN_IF_ERROR(MakeDirectory(root));
  ASSIGN_OR_RETURN_IN(fs::FileLock lock, fs::FileLock::Acquire(absl::StrCat(root, "/cairnd.lock")),
                      absl::StrCat("use the state in ", root));
  std::unique_ptr<Store> store(
      new Store{std::move(lock), root, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}});
  ASSIGN_OR_RETURN(store->database, blob::Database::Open(absl::StrCat(root, "/database")));
  ASSIGN_OR_RETURN(store->blobs,
                   blob::BlobStore::Open(absl::StrCat(root, "/blobs"), *store->database));
  store->trees = std::make_unique<tree::TreeStore>(*store->blobs);
  store->chains = std::make_unique<layer::ChainStore>(*store->trees, *store->database);
  ASSIGN_OR_RETURN(store->ledger, gc::Ledger::Open(*store->database, *store->trees, clock));
  store->collector = std::make_unique<gc::Collector>(*store->ledger, clock, root);
  store->images =
      std::make_unique<gc::ImageStore>(*store->database, *store->blobs, *store->ledger, clock);
  store->steps = std::make_unique<steps::StepTable>(*store->database);
  ASSIGN_OR_RETURN(store->snapshots,
                   snapshot::Snapshotter::Open(absl::StrCat(root, "/snapshots"), *store->chains));
  snapshot::Snapshotter* snapshots = store->snapshots.get();
  store->ledger->AddDerived(
      {"snapshots:", gc::RecordType::kInternal, "mounted snapshots",
       [snapshots] { return snapshots->UnusedBytes(); },
       [snapshots](uint64_t wanted) { return snapshots->RemoveUnused(wanted); }});
  ASSIGN_OR_RETURN(store->cache_mounts, ops::CacheMounts::Open(absl::StrCat(root, "/mounts"),
                                                               *store->ledger, *store->snapshots));
  store->layers = std::make_unique<layer::LayerExporter>(*store->trees, *store->database);
  return store;
}

}  // namespace cairn::server

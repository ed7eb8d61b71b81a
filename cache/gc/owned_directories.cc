#include "cache/gc/owned_directories.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/blob/meta_keys.h"
#include "runtime/base/fault_point.h"
#include "runtime/fs/root_dir.h"
#include "runtime/fs/tree_walk.h"

namespace cairn::gc {
namespace {

uint64_t DiskBytes(const struct stat& status) {
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

std::string DoomedPath(const std::string& path, RecordNumber number) {
  return absl::StrCat(path, ".doomed-", number);
}

std::string DoomedKey(const std::string& path, RecordNumber number) {
  return absl::StrCat(blob::kMetaDoomedPrefix, EncodeNumber(number), path);
}

}  // namespace

StatusOr<uint64_t> MeasureDirectory(const std::string& path) {
  const StatusOr<fs::RootDir> directory = fs::RootDir::Open(path);
  if (absl::IsNotFound(directory.status())) {
    return 0;
  }
  RETURN_IF_ERROR(directory.status());
  ASSIGN_OR_RETURN(const struct stat root, directory->Stat("", /*follow=*/false));
  uint64_t bytes = DiskBytes(root);
  std::set<std::pair<dev_t, ino_t>> linked;
  RETURN_IF_ERROR(fs::WalkTree(
      directory->fd(), {.xattrs = false},
      [&](const fs::WalkEntry& entry) -> StatusOr<fs::WalkAction> {
        const bool counted = entry.kind != fs::Kind::kDirectory && entry.status.st_nlink > 1 &&
                             !linked.emplace(entry.status.st_dev, entry.status.st_ino).second;
        bytes += counted ? 0 : DiskBytes(entry.status);
        return fs::WalkAction::kContinue;
      }));
  return bytes;
}

void DoomDirectory(const std::string& path, RecordNumber number, blob::WriteBatch& batch) {
  batch.Put(blob::Table::kMeta, DoomedKey(path, number), "");
}

Status MoveDoomedDirectory(const std::string& path, RecordNumber number) {
  CAIRN_FAULT_POINT("gc.directory.move");
  if (::rename(path.c_str(), DoomedPath(path, number).c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("move ", path, " out of the way"));
  }
  return absl::OkStatus();
}

Status RemoveDoomedDirectory(blob::Database& database, const std::string& path,
                             RecordNumber number) {
  CAIRN_FAULT_POINT("gc.directory.remove");
  const std::filesystem::path doomed = DoomedPath(path, number);
  const StatusOr<fs::RootDir> parent = fs::RootDir::Open(doomed.parent_path().string());
  if (!absl::IsNotFound(parent.status())) {
    RETURN_IF_ERROR(parent.status());
    RETURN_IF_ERROR(fs::RemoveTree(parent->fd(), doomed.filename().string()));
  }
  return database.Delete(blob::Table::kMeta, DoomedKey(path, number));
}

Status RemoveDoomedDirectories(blob::Database& database,
                               const std::function<StatusOr<bool>(const std::string&)>& is_owned) {
  std::vector<std::pair<RecordNumber, std::string>> doomed;
  RETURN_IF_ERROR(
      database.Scan(blob::Table::kMeta, blob::kMetaDoomedPrefix, [&](string_view key, string_view) {
        key.remove_prefix(sizeof blob::kMetaDoomedPrefix - 1);
        const StatusOr<RecordNumber> number = DecodeNumber(key.substr(0, 8));
        if (number.ok()) {
          doomed.emplace_back(*number, std::string(key.substr(8)));
        }
        return true;
      }));
  for (const auto& [number, path] : doomed) {
    // If the crash was before the rename, the directory still has its name. If it was after, what
    // has the name now belongs to a newer record.
    ASSIGN_OR_RETURN(const bool owned, is_owned(path));
    struct stat status;
    if (!owned && ::lstat(DoomedPath(path, number).c_str(), &status) != 0) {
      RETURN_IF_ERROR(MoveDoomedDirectory(path, number));
    }
    RETURN_IF_ERROR(RemoveDoomedDirectory(database, path, number));
  }
  return absl::OkStatus();
}

}  // namespace cairn::gc

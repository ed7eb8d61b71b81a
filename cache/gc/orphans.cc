#include "cache/gc/orphans.h"

#include <deque>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace cairn::gc {
namespace {

// Larger blobs are not tried as directories: they would hold some hundred thousand entries.
constexpr uint64_t kMaxDirectoryBytes = 16 << 20;

// The blobs without a node. One first byte of digests at a time, so that memory stays small.
StatusOr<std::vector<blob::BlobInfo>> UnnamedBlobs(blob::Database& database,
                                                   blob::BlobStore& blobs) {
  std::vector<blob::BlobInfo> unnamed;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string prefix(1, static_cast<char>(byte));
    absl::flat_hash_set<std::string> named;
    RETURN_IF_ERROR(
        database.Scan(blob::Table::kReferences, prefix, [&](string_view key, string_view) {
          if (key.size() == Digest::kSize) {
            named.emplace(key);
          }
          return true;
        }));
    RETURN_IF_ERROR(blobs.List(prefix, [&](const blob::BlobInfo& blob) {
      if (!named.contains(std::string(blob.digest.raw()))) {
        unnamed.push_back(blob);
      }
    }));
  }
  return unnamed;
}

// What `directory` names among `orphans`; each once.
std::vector<Digest> OrphansIn(const tree::Directory& directory,
                              const absl::flat_hash_map<Digest, int>& orphans) {
  std::vector<Digest> children;
  absl::flat_hash_set<Digest> seen;
  for (const tree::Entry& entry : directory.entries) {
    const Digest* child = entry.directory.has_value() ? &entry.directory->digest
                          : entry.file.has_value()    ? &*entry.file
                                                      : nullptr;
    if (child != nullptr && orphans.contains(*child) && seen.insert(*child).second) {
      children.push_back(*child);
    }
  }
  return children;
}

}  // namespace

StatusOr<std::vector<DeadBlob>> FindOrphans(blob::Database& database, blob::BlobStore& blobs) {
  ASSIGN_OR_RETURN(const std::vector<blob::BlobInfo> unnamed, UnnamedBlobs(database, blobs));
  absl::flat_hash_map<Digest, int> parents;  // how many orphaned directories hold it
  for (const blob::BlobInfo& blob : unnamed) {
    parents.emplace(blob.digest, 0);
  }
  absl::flat_hash_map<Digest, std::vector<Digest>> directories;
  for (const blob::BlobInfo& blob : unnamed) {
    if (blob.size == 0 || blob.size > kMaxDirectoryBytes) {
      continue;
    }
    const StatusOr<tree::Directory> directory =
        PeekDirectory(blobs, blob.digest, kMaxDirectoryBytes);
    if (!directory.ok()) {
      continue;  // not a directory
    }
    std::vector<Digest> children = OrphansIn(*directory, parents);
    for (const Digest& child : children) {
      ++parents[child];
    }
    directories.emplace(blob.digest, std::move(children));
  }
  std::deque<Digest> ready;
  for (const auto& [digest, count] : parents) {
    if (count == 0) {
      ready.push_back(digest);
    }
  }
  std::vector<DeadBlob> ordered;
  while (!ready.empty()) {
    const Digest digest = ready.front();
    ready.pop_front();
    const auto children = directories.find(digest);
    ordered.push_back({.digest = digest, .is_directory = children != directories.end()});
    if (children == directories.end()) {
      continue;
    }
    for (const Digest& child : children->second) {
      if (--parents[child] == 0) {
        ready.push_back(child);
      }
    }
  }
  return ordered;
}

}  // namespace cairn::gc

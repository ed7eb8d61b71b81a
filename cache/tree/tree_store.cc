#include "cache/tree/tree_store.h"

#include <list>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "cache/tree/codec.h"
#include "runtime/base/sync.h"

namespace cairn::tree {
namespace {

// Some three million files in one directory.
constexpr uint64_t kMaxEncoding = 512 << 20;

struct Cached {
  Digest digest;
  std::shared_ptr<const Directory> directory;
  uint64_t encoded_size;
  uint64_t cost;
};

uint64_t CostOf(const Directory& directory) {
  return 256 + directory.entries.size() * (sizeof(Entry) + 32);
}

}  // namespace

// The decoded directories used last, by digest.
struct TreeStore::Cache {
  explicit Cache(uint64_t limit) : limit(limit) {}

  std::optional<Cached> Find(const Digest& digest) {
    MutexLock lock(mu);
    const auto found = index.find(digest);
    if (found == index.end()) {
      return std::nullopt;
    }
    order.splice(order.begin(), order, found->second);
    return *found->second;
  }

  void Insert(Cached cached) {
    std::list<Cached> dropped;  // freed after the lock
    MutexLock lock(mu);
    if (cached.cost > limit / 2 || index.contains(cached.digest)) {
      return;
    }
    used += cached.cost;
    order.push_front(std::move(cached));
    index[order.front().digest] = order.begin();
    while (used > limit) {
      used -= order.back().cost;
      index.erase(order.back().digest);
      dropped.splice(dropped.begin(), order, std::prev(order.end()));
    }
  }

  void Erase(const Digest& digest) {
    MutexLock lock(mu);
    const auto found = index.find(digest);
    if (found != index.end()) {
      used -= found->second->cost;
      order.erase(found->second);
      index.erase(found);
    }
  }

  const uint64_t limit;
  Mutex mu;
  std::list<Cached> order ABSL_GUARDED_BY(mu);  // used last first
  absl::flat_hash_map<Digest, std::list<Cached>::iterator> index ABSL_GUARDED_BY(mu);
  uint64_t used ABSL_GUARDED_BY(mu) = 0;
};

TreeStore::TreeStore(blob::BlobStore& blobs, uint64_t cache_bytes)
    : blobs_(blobs), cache_(std::make_unique<Cache>(cache_bytes)) {}

TreeStore::~TreeStore() = default;

StatusOr<std::shared_ptr<const Directory>> TreeStore::Load(const Digest& digest) {
  if (std::optional<Cached> cached = cache_->Find(digest)) {
    // Asking keeps the blob from collection; one that is gone must not end up in a new tree.
    ASSIGN_OR_RETURN(const bool stored, blobs_.Contains(digest));
    if (stored) {
      return std::move(cached->directory);
    }
    cache_->Erase(digest);
  }
  ASSIGN_OR_RETURN_IN(const std::string bytes, blobs_.Read(digest, kMaxEncoding),
                      absl::StrCat("load directory ", digest.ToString()));
  ASSIGN_OR_RETURN_IN(Directory decoded, Decode(bytes), digest.ToString());
  auto directory = std::make_shared<const Directory>(std::move(decoded));
  cache_->Insert({digest, directory, bytes.size(), CostOf(*directory)});
  return directory;
}

StatusOr<TreeRef> TreeStore::Store(Directory directory) {
  RETURN_IF_ERROR(Validate(directory));
  for (Entry& entry : directory.entries) {
    if (entry.type == Entry::Type::kDirectory && entry.directory->encoded_size == 0) {
      ASSIGN_OR_RETURN(entry.directory, RefOf(entry.directory->digest));
    }
  }
  const std::string bytes = Encode(directory);
  if (bytes.size() > kMaxEncoding) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a directory of ", directory.entries.size(), " entries is too large"));
  }
  ASSIGN_OR_RETURN(const Digest digest, blobs_.Put(bytes));
  TreeRef ref = Describe(directory, digest, bytes.size());
  auto shared = std::make_shared<const Directory>(std::move(directory));
  const uint64_t cost = CostOf(*shared);
  cache_->Insert({digest, std::move(shared), bytes.size(), cost});
  return ref;
}

StatusOr<TreeRef> TreeStore::RefOf(const Digest& digest) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> directory, Load(digest));
  if (std::optional<Cached> cached = cache_->Find(digest)) {
    return Describe(*directory, digest, cached->encoded_size);
  }
  return Describe(*directory, digest, Encode(*directory).size());
}

StatusOr<TreeRef> TreeStore::Empty() {
  Directory directory;
  directory.metadata = DefaultDirectoryMetadata();
  return Store(std::move(directory));
}

}  // namespace cairn::tree

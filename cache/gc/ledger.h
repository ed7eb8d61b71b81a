// The ledger: every byte of the store is owned by exactly one record, so usage is exact by
// construction.
//
// A record names roots: trees (deltas or whole), blobs, and directories of its own. All that the
// roots reach is referenced by the record; a blob referenced by several is *owned* (its bytes
// counted) by one of them and handed on when that one goes. References are written in the same
// batch as the record, and a record is written after the bytes it names.
//
// Thread-safe. Records in use (a Lease names them) are never removed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/blob/database.h"
#include "cache/tree/tree_store.h"

namespace cairn::gc {

// BuildKit's record types (protocol.md, DiskUsage).
enum class RecordType { kInternal, kFrontend, kSourceLocal, kGitCheckout, kCacheMount, kRegular };
string_view RecordTypeName(RecordType type);

// What a new record names.
struct RecordDraft {
  // Stable identity ("step:<key hex>", "image:<reference>", "mount:<id>", "context:<key>"): a
  // second Add of one identity replaces the first.
  std::string identity;
  RecordType type = RecordType::kRegular;
  std::string description;
  bool is_mutable = false;
  std::vector<Digest> trees;
  std::vector<Digest> blobs;
  std::vector<std::string> directories;  // absolute; removed with the record
  std::vector<std::string> parents;      // identities of the records it was made from
};

struct Record {
  std::string id;  // 25 characters of base36, as BuildKit's
  std::string identity;
  RecordType type = RecordType::kRegular;
  std::string description;
  bool is_mutable = false;
  bool in_use = false;
  bool shared = false;  // some of its bytes are named by other records too
  uint64_t size = 0;    // bytes owned
  absl::Time created;
  std::optional<absl::Time> last_used;
  int64_t usage_count = 0;
  std::vector<std::string> parents;  // ids
};

// Keeps records in use, and everything that was put into the blob store while it lives, from
// collection. One per running build; RAII.
class Lease {
 public:
  virtual ~Lease() = default;
  // Marks the record `identity` as used now and in use until the lease ends. False when there is
  // none.
  virtual StatusOr<bool> Use(const std::string& identity) = 0;
};

class Ledger {
 public:
  static StatusOr<std::unique_ptr<Ledger>> Open(blob::Database& database, tree::TreeStore& trees);
  virtual ~Ledger() = default;

  virtual std::unique_ptr<Lease> NewLease() = 0;

  // Adds the record; durable when it returns. Its size is what it newly brings.
  virtual Status Add(const RecordDraft& draft) = 0;

  virtual StatusOr<std::vector<Record>> List() = 0;

  // Runs when a record is removed, before its bytes are: the owner of `identity`'s prefix ("step:")
  // forgets what pointed to it. Register before the first Remove.
  virtual void OnRemove(std::string identity_prefix,
                        std::function<Status(const std::string& identity)> forget) = 0;

  // Removes the record and the blobs nobody else names; returns the bytes freed.
  // kFailedPrecondition when it is in use, kNotFound when it is gone.
  virtual StatusOr<uint64_t> Remove(const std::string& identity) = 0;

  // Bytes of the whole store as the ledger counts them.
  virtual StatusOr<uint64_t> TotalBytes() = 0;

  // Removes blobs and files that no record names and no lease protects (what a crash left behind).
  virtual StatusOr<uint64_t> Sweep() = 0;
};

}  // namespace cairn::gc

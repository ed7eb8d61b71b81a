// The ledger: every byte of the store is owned by exactly one record, so usage is exact by
// construction.
//
// A record names roots: trees (deltas or whole), blobs, and directories of its own. All that the
// roots reach is referenced by the record; a blob referenced by several is *owned* (its bytes
// counted) by one of them and handed on when that one goes (reference_graph.h). References are
// written in the same batch as the record, and a record is written after the bytes it names.
//
// The bytes of a directory are measured when somebody asks, and again after each use. Other modules
// tell of data that is derived from the blobs and can be made again (Derived); each kind is listed
// as one record.
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
#include "runtime/base/clock.h"

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
  // Absolute; removed with the record. Whoever makes one adds the record first, or has it in use.
  std::vector<std::string> directories;
  std::vector<std::string> parents;  // identities of the records it was made from
};

struct Record {
  std::string id;  // 25 characters of base36, as BuildKit's
  std::string identity;
  RecordType type = RecordType::kRegular;
  std::string description;
  bool is_mutable = false;
  bool in_use = false;
  bool shared = false;  // something it names is named by another record too, as a whole
  uint64_t size = 0;    // bytes owned; directories count 0 while they are first in use
  absl::Time created;
  std::optional<absl::Time> last_used;
  int64_t usage_count = 0;
  uint64_t use_order = 0;            // rises with each use and each record; clocks may jump
  std::vector<std::string> parents;  // ids
};

// Data beside the blobs that can be made again from them: mounted snapshots and the like.
struct Derived {
  std::string identity;  // "snapshots:"
  RecordType type = RecordType::kInternal;
  std::string description;
  // Bytes that it occupies now.
  std::function<StatusOr<uint64_t>()> bytes;
  // Removes at least `wanted` bytes of what is not in use, if there is as much; returns how many.
  std::function<StatusOr<uint64_t>(uint64_t wanted)> remove;
};

// Keeps records in use, and every blob that is put, adopted, found or opened while it lives with
// all that is below it, from collection. One per running build; RAII. The ledger outlives it.
class Lease {
 public:
  virtual ~Lease() = default;
  // Marks the record `identity` as used now and in use until the lease ends. False when there is
  // none.
  virtual StatusOr<bool> Use(const std::string& identity) = 0;
};

class Ledger {
 public:
  // All outlive the ledger.
  static StatusOr<std::unique_ptr<Ledger>> Open(blob::Database& database, tree::TreeStore& trees,
                                                const Clock& clock);
  // The same with the system's clock.
  static StatusOr<std::unique_ptr<Ledger>> Open(blob::Database& database, tree::TreeStore& trees);
  virtual ~Ledger() = default;

  virtual std::unique_ptr<Lease> NewLease() = 0;

  // Adds the record, or replaces the one of that identity. Its size is what it newly brings. It
  // outlives the daemon's death when Add returns and the machine's within seconds. kNotFound or
  // kDataLoss when something that it names is not whole in the store.
  // `together` is written in the same batch: what points to the record.
  virtual Status Add(const RecordDraft& draft, const blob::WriteBatch& together) = 0;
  Status Add(const RecordDraft& draft) { return Add(draft, blob::WriteBatch()); }

  virtual StatusOr<std::vector<Record>> List() = 0;

  // Register before the first List.
  virtual void AddDerived(Derived derived) = 0;

  // Runs when a record is removed, before its bytes are: the owner of `identity`'s prefix ("step:")
  // forgets what pointed to it. Register before the first Remove.
  virtual void OnRemove(std::string identity_prefix,
                        std::function<Status(const std::string& identity)> forget) = 0;

  // Removes the record and the blobs nobody else names; returns the bytes freed. Blobs that a lease
  // keeps go when the lease has ended. kFailedPrecondition when the record is in use, kNotFound
  // when it is gone.
  virtual StatusOr<uint64_t> Remove(const std::string& identity) = 0;

  // Bytes of the whole store as the ledger counts them.
  virtual StatusOr<uint64_t> TotalBytes() = 0;

  // Removes blobs and files that no record names and no lease protects (what a crash or a failed
  // build left behind), and records whose bytes a power loss took. Reads the whole index of blobs.
  virtual StatusOr<uint64_t> Sweep() = 0;
};

// Has the record of `draft` in use by `lease`, added if there is none. A directory that it names
// may be made then: what is pruned in between would otherwise be the directory, or a directory that
// no record names would stay.
Status UseOrAdd(Ledger& ledger, Lease& lease, const RecordDraft& draft);

}  // namespace cairn::gc

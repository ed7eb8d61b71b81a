// The one RocksDB of a state folder, behind a narrow ordered key-value interface; database.cc is
// the only file that includes RocksDB.
//
// Keys and values are bytes. A WriteBatch is atomic. Every commit outlives the daemon's death at
// once; one with sync outlives the machine's too when Commit returns, and so does everything that
// was committed before it: after a power loss the database holds the commits up to some point, and
// none after it. Thread-safe; iteration sees a consistent snapshot.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::blob {

// A table is a range of keys: its number is the first byte of each. (Not a column family: 14 of
// them cost 300 ms to make and each holds a memtable.) The numbers are the on-disk format: never
// renumber or reuse.
enum class Table : uint8_t {
  kMeta,        // format version and other single values
  kBlobs,       // digest (32 raw bytes) -> bytes of a small blob
  kObjects,     // digest -> size and place of every blob, see object_files.h
  kSteps,       // step key -> step record
  kPreimages,   // step key -> readable pre-image of the key
  kLayers,      // delta digest + compression -> layer descriptor
  kMemo,        // derived values that can be computed again (applied trees, content digests, ...)
  kRecords,     // ledger record id -> record
  kReferences,  // the ledger's reference graph, see gc/reference_graph.h
  kImages,      // image reference -> image record
  kSources,     // source identity -> what the daemon last saw there
  kContexts,    // local context key -> tree
  kHistory,     // build ref -> history record
  kVariants,    // digest + metadata digest -> a second inode of an object, see object_files.h
};

class WriteBatch {
 public:
  void Put(Table table, string_view key, string_view value);
  void Delete(Table table, string_view key);
  // Adds all of `other`, after what is there.
  void Append(const WriteBatch& other);
  bool empty() const { return operations_.empty(); }

 private:
  friend class Database;
  struct Operation {
    enum class Kind { kPut, kDelete } kind;
    std::string key;  // with the table's byte
    std::string value;
  };
  std::vector<Operation> operations_;
};

class Database {
 public:
  // Opens or creates the database in `directory`. kFailedPrecondition when another process has it
  // open, kDataLoss when it is damaged (the message says how to start with an empty cache), also
  // when that was found out while it was open last. Who would rather start with an empty cache than
  // not at all calls SetAside and opens again.
  static StatusOr<std::unique_ptr<Database>> Open(const std::string& directory);
  // Renames the database in `directory`, which nobody has open, to "<directory>.damaged-<number>"
  // and returns that. Files of blobs that it knew are strays then, and swept.
  static StatusOr<std::string> SetAside(const std::string& directory);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // The value, or nullopt when absent.
  StatusOr<std::optional<std::string>> Get(Table table, string_view key);
  // The size of the value in bytes, without a copy of it; nullopt when absent.
  StatusOr<std::optional<uint64_t>> FindSize(Table table, string_view key);
  Status Put(Table table, string_view key, string_view value, bool sync = false);
  Status Delete(Table table, string_view key);
  // When the disk is full, a commit is tried once more after the database has resumed, so that
  // freeing space is enough to go on; what fails again is kResourceExhausted.
  Status Commit(const WriteBatch& batch, bool sync);
  // Calls `visit` for each key with `prefix`, in byte order, until it returns false.
  Status Scan(Table table, string_view prefix,
              const std::function<bool(string_view key, string_view value)>& visit);
  // Makes everything committed so far durable.
  Status Flush();

 private:
  struct Rocks;
  explicit Database(std::unique_ptr<Rocks> rocks);
  std::unique_ptr<Rocks> rocks_;
};

}  // namespace cairn::blob

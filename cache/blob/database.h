// The one RocksDB of a state folder, behind a narrow ordered key-value interface; database.cc is
// the only file that includes RocksDB.
//
// Keys and values are bytes. A WriteBatch is atomic and, when committed with sync, durable when
// Commit returns. Thread-safe; iteration sees a consistent snapshot.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::blob {

// A table is a RocksDB column family. The names are the on-disk format: never renumber or reuse.
enum class Table {
  kMeta,        // format version and other single values
  kBlobs,       // digest (32 raw bytes) -> bytes of a small blob
  kObjects,     // digest -> size of a blob that lives in a file
  kSteps,       // step key -> step record
  kPreimages,   // step key -> readable pre-image of the key
  kLayers,      // delta digest + compression -> layer descriptor
  kMemo,        // derived values that can be computed again (applied trees, content digests, ...)
  kRecords,     // ledger record id -> record
  kReferences,  // ledger: blob digest -> number of records that name it
  kImages,      // image reference -> image record
  kSources,     // source identity -> what the daemon last saw there
  kContexts,    // local context key -> tree
  kHistory,     // build ref -> history record
};

class WriteBatch {
 public:
  void Put(Table table, string_view key, string_view value);
  void Delete(Table table, string_view key);
  // Adds `delta` to the 64-bit little-endian counter at `key`; a counter that reaches 0 is deleted
  // by compaction and reads as absent.
  void Add(Table table, string_view key, int64_t delta);
  bool empty() const { return operations_.empty(); }

 private:
  friend class Database;
  struct Operation {
    enum class Kind { kPut, kDelete, kAdd } kind;
    Table table;
    std::string key;
    std::string value;
  };
  std::vector<Operation> operations_;
};

class Database {
 public:
  // Opens or creates the database in `directory`. kFailedPrecondition when another process has it
  // open, kDataLoss when it is damaged (the message says how to start with an empty cache).
  static StatusOr<std::unique_ptr<Database>> Open(const std::string& directory);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // The value, or nullopt when absent.
  StatusOr<std::optional<std::string>> Get(Table table, string_view key);
  StatusOr<int64_t> GetCounter(Table table, string_view key);
  Status Put(Table table, string_view key, string_view value, bool sync = false);
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

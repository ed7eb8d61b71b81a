#include "cache/blob/database.h"

#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstdarg>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/fd.h"

namespace cairn::blob {
namespace {

// Beside the database when damage was found while it was open.
constexpr char kDamageMarker[] = ".damaged";

constexpr uint64_t kBlockCacheBytes = 8 << 20;
constexpr uint64_t kMemtableBytes = 8 << 20;
constexpr uint64_t kMaxWalBytes = 32 << 20;

// RocksDB prints every option of every column family at each start; nobody reads it.
class NullLogger final : public rocksdb::Logger {
 public:
  NullLogger() : rocksdb::Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

// After a full disk RocksDB looks every few seconds by itself whether there is room, and until then
// refuses to be resumed by anybody else. Here the next write tries.
class ResumedByWrites final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

rocksdb::Slice ToSlice(string_view text) { return {text.data(), text.size()}; }
string_view FromSlice(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

Status ToStatus(const rocksdb::Status& status, string_view context) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  const std::string message = absl::StrCat(context, ": ", status.ToString());
  if (status.IsCorruption()) {
    return absl::DataLossError(message);
  }
  if (status.IsNoSpace() || absl::StrContains(message, "No space left") ||
      absl::StrContains(message, "Disk quota exceeded")) {
    return absl::ResourceExhaustedError(message);
  }
  if (status.IsNotFound()) {
    return absl::NotFoundError(message);
  }
  if (status.IsInvalidArgument()) {
    return absl::InvalidArgumentError(message);
  }
  if (status.IsBusy() || status.IsTryAgain()) {
    return absl::UnavailableError(message);
  }
  return absl::UnknownError(message);
}

rocksdb::CompressionType FastCompression() {
  const std::vector<rocksdb::CompressionType> supported = rocksdb::GetSupportedCompressions();
  const bool lz4 =
      std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
  return lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

rocksdb::Options MakeOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.info_log = std::make_shared<NullLogger>();
  options.listeners.push_back(std::make_shared<ResumedByWrites>());
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.track_and_verify_wals_in_manifest = true;
  // What the log holds at start stays in it: writing tables then would make every start slow.
  options.avoid_flush_during_recovery = true;
  options.skip_stats_update_on_db_open = true;
  options.max_total_wal_size = kMaxWalBytes;
  options.max_background_jobs = 2;
  options.max_open_files = 128;
  options.max_file_opening_threads = 1;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.write_buffer_size = kMemtableBytes;
  options.arena_block_size = 256 << 10;
  // Most look-ups before a write are of keys that are not there.
  options.memtable_whole_key_filtering = true;
  options.memtable_prefix_bloom_size_ratio = 0.02;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = FastCompression();
  // Deleting frees space only by compaction: where many keys were deleted it comes soon.
  options.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(/*sliding_window_size=*/1000,
                                                    /*deletion_trigger=*/500));
  rocksdb::BlockBasedTableOptions blocks;
  blocks.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes, 2);
  blocks.cache_index_and_filter_blocks = true;
  blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  blocks.format_version = 5;
  blocks.block_size = 8 << 10;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));
  return options;
}

std::string KeyIn(Table table, string_view key) {
  std::string full;
  full.reserve(1 + key.size());
  full.push_back(static_cast<char>(table));
  full.append(key.data(), key.size());
  return full;
}

}  // namespace

struct Database::Rocks {
  std::string directory;
  std::unique_ptr<rocksdb::DB> db;

  // `status` of a read. A damaged table stays damaged: the next Open has to know.
  Status NoteDamage(const rocksdb::Status& status, string_view context) const {
    if (status.IsCorruption()) {
      const UniqueFd marker(::open(absl::StrCat(directory, kDamageMarker).c_str(),
                                   O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    }
    return ToStatus(status, context);
  }

  rocksdb::Status Write(bool sync, rocksdb::WriteBatch& batch) {
    rocksdb::WriteOptions options;
    options.sync = sync;
    // Large batches are sorted by their makers.
    options.memtable_insert_hint_per_batch = batch.Count() > 100;
    rocksdb::Status status = db->Write(options, &batch);
    if (!status.ok() && (status.IsNoSpace() || status.IsIOError())) {
      // A full disk stops the database until somebody resumes it.
      if (db->Resume().ok()) {
        status = db->Write(options, &batch);
      }
    }
    return status;
  }
};

void WriteBatch::Put(Table table, string_view key, string_view value) {
  operations_.push_back(
      {Operation::Kind::kPut, KeyIn(table, key), std::string(value.data(), value.size())});
}

void WriteBatch::Delete(Table table, string_view key) {
  operations_.push_back({Operation::Kind::kDelete, KeyIn(table, key), std::string()});
}

void WriteBatch::Append(const WriteBatch& other) {
  operations_.insert(operations_.end(), other.operations_.begin(), other.operations_.end());
}

Database::Database(std::unique_ptr<Rocks> rocks) : rocks_(std::move(rocks)) {}

Database::~Database() {
  // Tables instead of a log: the next start has nothing to replay.
  rocks_->db->Flush(rocksdb::FlushOptions()).PermitUncheckedError();
  rocks_->db->Close().PermitUncheckedError();
}

StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("create ", directory));
  }
  const std::string remedy = "; move the directory away to start with an empty cache";
  if (std::filesystem::exists(directory + kDamageMarker, error)) {
    return absl::DataLossError(absl::StrCat("open database ", directory,
                                            ": damage was found while it was open last", remedy));
  }
  auto rocks = std::make_unique<Rocks>();
  rocks->directory = directory;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(MakeOptions(), directory, &opened);
  if (!status.ok()) {
    const std::string cause = status.ToString();
    if (status.IsIOError() && absl::StrContains(cause, "lock")) {
      return absl::FailedPreconditionError(
          absl::StrCat("open database ", directory, ": another process has it open: ", cause));
    }
    if (status.IsNoSpace() || absl::StrContains(cause, "No space left")) {
      return ToStatus(status, absl::StrCat("open database ", directory));
    }
    return absl::DataLossError(absl::StrCat("open database ", directory, ": ", cause, remedy));
  }
  rocks->db.reset(opened);
  return std::unique_ptr<Database>(new Database(std::move(rocks)));
}

StatusOr<std::string> Database::SetAside(const std::string& directory) {
  std::error_code error;
  for (int number = 1;; ++number) {
    const std::string aside = absl::StrCat(directory, ".damaged-", number);
    if (std::filesystem::exists(aside, error)) {
      continue;
    }
    std::filesystem::rename(directory, aside, error);
    if (error) {
      return ErrnoStatus(error.value(), absl::StrCat("set ", directory, " aside"));
    }
    std::filesystem::remove(directory + kDamageMarker, error);
    return aside;
  }
}

StatusOr<std::optional<std::string>> Database::Get(Table table, string_view key) {
  std::string value;
  const rocksdb::Status status = rocks_->db->Get(rocksdb::ReadOptions(), KeyIn(table, key), &value);
  if (status.IsNotFound()) {
    return std::optional<std::string>();
  }
  RETURN_IF_ERROR(rocks_->NoteDamage(status, "read the database"));
  return std::optional<std::string>(std::move(value));
}

StatusOr<std::optional<uint64_t>> Database::FindSize(Table table, string_view key) {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = rocks_->db->Get(
      rocksdb::ReadOptions(), rocks_->db->DefaultColumnFamily(), KeyIn(table, key), &value);
  if (status.IsNotFound()) {
    return std::optional<uint64_t>();
  }
  RETURN_IF_ERROR(rocks_->NoteDamage(status, "read the database"));
  return std::optional<uint64_t>(value.size());
}

Status Database::Put(Table table, string_view key, string_view value, bool sync) {
  rocksdb::WriteBatch batch;
  batch.Put(KeyIn(table, key), ToSlice(value)).PermitUncheckedError();
  return ToStatus(rocks_->Write(sync, batch), "write the database");
}

Status Database::Delete(Table table, string_view key) {
  rocksdb::WriteBatch batch;
  batch.Delete(KeyIn(table, key)).PermitUncheckedError();
  return ToStatus(rocks_->Write(false, batch), "write the database");
}

Status Database::Commit(const WriteBatch& batch, bool sync) {
  rocksdb::WriteBatch writes;
  for (const WriteBatch::Operation& operation : batch.operations_) {
    const rocksdb::Status status = operation.kind == WriteBatch::Operation::Kind::kPut
                                       ? writes.Put(operation.key, operation.value)
                                       : writes.Delete(operation.key);
    RETURN_IF_ERROR(ToStatus(status, "write the database"));
  }
  return ToStatus(rocks_->Write(sync, writes), "write the database");
}

Status Database::Scan(Table table, string_view prefix,
                      const std::function<bool(string_view key, string_view value)>& visit) {
  const std::string first = KeyIn(table, prefix);
  // The first key after all that start with `first`; the table's byte is never 0xff.
  std::string end = first;
  while (static_cast<uint8_t>(end.back()) == 0xff) {
    end.pop_back();
  }
  ++end.back();
  const rocksdb::Slice upper_bound(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper_bound;
  const std::unique_ptr<rocksdb::Iterator> iterator(rocks_->db->NewIterator(options));
  for (iterator->Seek(first); iterator->Valid(); iterator->Next()) {
    if (!visit(FromSlice(iterator->key()).substr(1), FromSlice(iterator->value()))) {
      return absl::OkStatus();
    }
  }
  return rocks_->NoteDamage(iterator->status(), "scan the database");
}

Status Database::Flush() {
  const rocksdb::Status status = rocks_->db->SyncWAL();
  if (status.IsInvalidArgument()) {
    return absl::OkStatus();  // there is no log yet
  }
  return ToStatus(status, "sync the database");
}

}  // namespace cairn::blob

// What the tests of the ledger share: a store with a ledger over it, trees made from text, and the
// truth about what is stored.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/gc/ledger.h"
#include "cache/tree/tree_store.h"
#include "tests/unit/testing.h"

namespace cairn::gc {

class FakeClock final : public Clock {
 public:
  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration duration) { now_ += duration; }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() { Reopen(); }

  void Reopen() {
    ledger_.reset();
    trees_.reset();
    blobs_.reset();
    database_.reset();
    auto database = blob::Database::Open(dir_ / "db");
    ASSERT_OK(database);
    database_ = *std::move(database);
    auto blobs = blob::BlobStore::Open(dir_ / "store", *database_);
    ASSERT_OK(blobs);
    blobs_ = *std::move(blobs);
    trees_ = std::make_unique<tree::TreeStore>(*blobs_);
    auto ledger = Ledger::Open(*database_, *trees_, clock_);
    ASSERT_OK(ledger);
    ledger_ = *std::move(ledger);
  }

  Digest PutBlob(const std::string& data) {
    auto digest = blobs_->Put(data);
    EXPECT_OK(digest);
    return *digest;
  }

  // A directory of files (name -> bytes) and of stored directories (name -> reference).
  tree::TreeRef PutTree(const std::map<std::string, std::string>& files,
                        const std::map<std::string, tree::TreeRef>& directories = {}) {
    std::map<std::string, tree::Entry> entries;
    for (const auto& [name, data] : files) {
      entries[name] = {.name = name,
                       .type = tree::Entry::Type::kFile,
                       .metadata = {.mode = 0644},
                       .file = PutBlob(data),
                       .size = data.size()};
    }
    for (const auto& [name, ref] : directories) {
      entries[name] = {
          .name = name, .type = tree::Entry::Type::kDirectory, .metadata = {}, .directory = ref};
    }
    tree::Directory directory;
    directory.metadata.mode = 0755;
    for (auto& [name, entry] : entries) {
      directory.entries.push_back(std::move(entry));
    }
    auto ref = trees_->Store(directory);
    EXPECT_OK(ref);
    return *ref;
  }

  Status AddTree(const std::string& identity, const tree::TreeRef& ref) {
    return ledger_->Add({.identity = identity, .trees = {ref.digest}});
  }

  Record RecordOf(const std::string& identity) {
    auto records = ledger_->List();
    EXPECT_OK(records);
    for (const Record& record : *records) {
      if (record.identity == identity) {
        return record;
      }
    }
    ADD_FAILURE() << "no record " << identity;
    return Record();
  }

  // Bytes of all blobs that are in the store.
  uint64_t StoredBytes() {
    uint64_t bytes = 0;
    EXPECT_OK(blobs_->List("", [&](const blob::BlobInfo& blob) { bytes += blob.size; }));
    return bytes;
  }

  bool Stored(const Digest& digest) {
    bool stored = false;
    EXPECT_OK(blobs_->List(digest.raw(), [&](const blob::BlobInfo&) { stored = true; }));
    return stored;
  }

  testing::TempDir dir_;
  FakeClock clock_;
  std::unique_ptr<blob::Database> database_;
  std::unique_ptr<blob::BlobStore> blobs_;
  std::unique_ptr<tree::TreeStore> trees_;
  std::unique_ptr<Ledger> ledger_;
};

}  // namespace cairn::gc

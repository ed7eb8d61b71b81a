#include "cache/blob/database.h"

#include "tests/unit/testing.h"

namespace cairn::blob {
namespace {

using ::testing::Optional;
using testing::StatusIs;

class DatabaseTest : public ::testing::Test {
 protected:
  DatabaseTest() { Reopen(); }
  void Reopen() {
    database_.reset();
    auto opened = Database::Open(dir_ / "db");
    ASSERT_OK(opened);
    database_ = *std::move(opened);
  }

  testing::TempDir dir_;
  std::unique_ptr<Database> database_;
};

TEST_F(DatabaseTest, AbsentKeyReadsAsNothing) {
  EXPECT_THAT(database_->Get(Table::kBlobs, "k"), testing::IsOkAndHolds(std::nullopt));
  EXPECT_THAT(database_->FindSize(Table::kBlobs, "k"), testing::IsOkAndHolds(std::nullopt));
}

TEST_F(DatabaseTest, ValuesOutliveAReopen) {
  const std::string value("a\0b", 3);
  ASSERT_OK(database_->Put(Table::kBlobs, "k", value));
  Reopen();
  EXPECT_THAT(database_->Get(Table::kBlobs, "k"), testing::IsOkAndHolds(Optional(value)));
  EXPECT_THAT(database_->FindSize(Table::kBlobs, "k"), testing::IsOkAndHolds(Optional(3u)));
  EXPECT_THAT(database_->Get(Table::kObjects, "k"), testing::IsOkAndHolds(std::nullopt));
}

TEST_F(DatabaseTest, BatchAppliesInOrderOverTables) {
  WriteBatch batch;
  EXPECT_TRUE(batch.empty());
  batch.Put(Table::kSteps, "a", "1");
  batch.Put(Table::kImages, "b", "2");
  batch.Delete(Table::kSteps, "a");
  ASSERT_OK(database_->Commit(batch, /*sync=*/true));
  EXPECT_THAT(database_->Get(Table::kSteps, "a"), testing::IsOkAndHolds(std::nullopt));
  EXPECT_THAT(database_->Get(Table::kImages, "b"),
              testing::IsOkAndHolds(Optional(std::string("2"))));
}

TEST_F(DatabaseTest, ScanVisitsThePrefixInByteOrder) {
  for (const char* key : {"b", "a\xff\xff", "a", "ab", "\xff", "\xff\x01"}) {
    ASSERT_OK(database_->Put(Table::kMemo, key, "v"));
  }
  std::vector<std::string> keys;
  const auto collect = [&](string_view key, string_view) {
    keys.emplace_back(key.data(), key.size());
    return true;
  };
  ASSERT_OK(database_->Scan(Table::kMemo, "a", collect));
  EXPECT_THAT(keys, ::testing::ElementsAre("a", "ab", "a\xff\xff"));
  keys.clear();
  ASSERT_OK(database_->Scan(Table::kMemo, "\xff", collect));
  EXPECT_THAT(keys, ::testing::ElementsAre("\xff", "\xff\x01"));
  keys.clear();
  ASSERT_OK(database_->Scan(Table::kMemo, "", collect));
  EXPECT_EQ(keys.size(), 6u);
}

TEST_F(DatabaseTest, ScanStopsWhenAskedTo) {
  ASSERT_OK(database_->Put(Table::kMemo, "a", "v"));
  ASSERT_OK(database_->Put(Table::kMemo, "b", "v"));
  int visited = 0;
  ASSERT_OK(database_->Scan(Table::kMemo, "", [&](string_view, string_view) {
    ++visited;
    return false;
  }));
  EXPECT_EQ(visited, 1);
}

TEST_F(DatabaseTest, SecondOpenIsRefused) {
  EXPECT_THAT(Database::Open(dir_ / "db"),
              testing::StatusIs(absl::StatusCode::kFailedPrecondition,
                                ::testing::HasSubstr("another process has it open")));
}

TEST_F(DatabaseTest, DamagedDatabaseIsDataLoss) {
  ASSERT_OK(database_->Put(Table::kBlobs, "k", "v", /*sync=*/true));
  database_.reset();
  for (const auto& file : std::filesystem::directory_iterator(dir_ / "db")) {
    if (file.path().filename().string().starts_with("MANIFEST")) {
      std::filesystem::resize_file(file.path(), 10);
    }
  }
  EXPECT_THAT(Database::Open(dir_ / "db"),
              testing::StatusIs(absl::StatusCode::kDataLoss,
                                ::testing::HasSubstr("start with an empty cache")));
}

TEST_F(DatabaseTest, DamagedDatabaseCanBeSetAside) {
  ASSERT_OK(database_->Put(Table::kBlobs, "k", "v", /*sync=*/true));
  database_.reset();
  dir_.Write("db/CURRENT", "nonsense");
  EXPECT_THAT(Database::Open(dir_ / "db"), StatusIs(absl::StatusCode::kDataLoss, ::testing::_));
  EXPECT_THAT(Database::SetAside(dir_ / "db"), testing::IsOkAndHolds(dir_ / "db.damaged-1"));
  Reopen();
  EXPECT_THAT(database_->Get(Table::kBlobs, "k"), testing::IsOkAndHolds(std::nullopt));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "db.damaged-1/CURRENT"));
}

// A table that is damaged on the disk may be opened and only fail when it is read: then the next
// start must not go on with it.
TEST_F(DatabaseTest, DamageFoundByAReadIsKnownToTheNextOpen) {
  ASSERT_OK(database_->Put(Table::kBlobs, "k", std::string(5000, 'v')));
  database_.reset();
  for (const auto& file : std::filesystem::directory_iterator(dir_ / "db")) {
    if (file.path().extension() == ".sst") {
      std::fstream table(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      table.seekp(10);
      table << "damage";
    }
  }
  Reopen();
  EXPECT_THAT(database_->Get(Table::kBlobs, "k"),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::_));
  database_.reset();
  EXPECT_THAT(Database::Open(dir_ / "db"),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("open last")));
  ASSERT_OK(Database::SetAside(dir_ / "db"));
  Reopen();
}

TEST_F(DatabaseTest, FlushOfAnEmptyDatabaseIsFine) { EXPECT_OK(database_->Flush()); }

}  // namespace
}  // namespace cairn::blob

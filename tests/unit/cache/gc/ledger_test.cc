#include "cache/gc/ledger.h"

#include <thread>

#include "tests/unit/cache/gc/gc_testing.h"

namespace cairn::gc {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOkAndHolds;
using testing::StatusIs;

TEST_F(LedgerTest, RecordOwnsAllThatItsTreeReaches) {
  const tree::TreeRef tree =
      PutTree({{"a", "hello"}}, {{"sub", PutTree({{"b", std::string(20000, 'b')}})}});
  ASSERT_OK(ledger_->Add({.identity = "step:1",
                          .type = RecordType::kSourceLocal,
                          .description = "context",
                          .trees = {tree.digest}}));
  const Record record = RecordOf("step:1");
  EXPECT_EQ(record.size, StoredBytes());
  EXPECT_EQ(record.type, RecordType::kSourceLocal);
  EXPECT_EQ(record.description, "context");
  EXPECT_EQ(record.created, clock_.Now());
  EXPECT_EQ(record.last_used, std::nullopt);
  EXPECT_EQ(record.usage_count, 0);
  EXPECT_FALSE(record.shared);
  EXPECT_EQ(record.id.size(), 25u);
  EXPECT_THAT(ledger_->TotalBytes(), IsOkAndHolds(StoredBytes()));
}

TEST_F(LedgerTest, RecordsOutliveAReopen) {
  ASSERT_OK(AddTree("step:1", PutTree({{"a", "hello"}})));
  const Record before = RecordOf("step:1");
  Reopen();
  const Record after = RecordOf("step:1");
  EXPECT_EQ(after.id, before.id);
  EXPECT_EQ(after.size, before.size);
  ASSERT_OK(AddTree("step:2", PutTree({{"a", "other"}})));
  EXPECT_NE(RecordOf("step:2").id, after.id);
  EXPECT_GT(RecordOf("step:2").use_order, after.use_order);
}

TEST_F(LedgerTest, SharedBytesAreCountedOnceAndHandedOn) {
  const tree::TreeRef shared = PutTree({{"big", std::string(20000, 's')}});
  ASSERT_OK(AddTree("step:1", PutTree({{"a", "1"}}, {{"sub", shared}})));
  const uint64_t first = RecordOf("step:1").size;
  EXPECT_EQ(first, StoredBytes());
  ASSERT_OK(AddTree("step:2", PutTree({{"a", "2"}}, {{"sub", shared}})));
  EXPECT_EQ(RecordOf("step:1").size, first);
  EXPECT_EQ(RecordOf("step:2").size, StoredBytes() - first);
  EXPECT_LT(RecordOf("step:2").size, 1000u);

  ASSERT_OK_AND_ASSIGN(const uint64_t freed, ledger_->Remove("step:1"));
  EXPECT_LT(freed, 1000u);
  EXPECT_EQ(RecordOf("step:2").size, StoredBytes());
  EXPECT_TRUE(Stored(shared.digest));
  ASSERT_OK(ledger_->Remove("step:2"));
  EXPECT_EQ(StoredBytes(), 0u);
}

TEST_F(LedgerTest, RecordWithNamedRootsOfAnotherIsShared) {
  const tree::TreeRef tree = PutTree({{"a", "1"}});
  ASSERT_OK(AddTree("step:1", tree));
  ASSERT_OK(AddTree("step:2", tree));
  EXPECT_TRUE(RecordOf("step:1").shared);
  EXPECT_TRUE(RecordOf("step:2").shared);
  EXPECT_EQ(RecordOf("step:2").size, 0u);
  ASSERT_OK(ledger_->Remove("step:1"));
  EXPECT_FALSE(RecordOf("step:2").shared);
  EXPECT_EQ(RecordOf("step:2").size, StoredBytes());
}

TEST_F(LedgerTest, SecondAddReplacesTheFirst) {
  const tree::TreeRef kept = PutTree({{"kept", std::string(20000, 'k')}});
  const tree::TreeRef old_tree = PutTree({{"a", "old"}}, {{"sub", kept}});
  const tree::TreeRef new_tree = PutTree({{"a", "new"}}, {{"sub", kept}});
  ASSERT_OK(AddTree("context:1", old_tree));
  const std::string id = RecordOf("context:1").id;
  ASSERT_OK(AddTree("context:1", new_tree));
  EXPECT_EQ(RecordOf("context:1").id, id);
  EXPECT_FALSE(Stored(old_tree.digest));
  EXPECT_FALSE(Stored(Digest::Of("old")));
  EXPECT_TRUE(Stored(kept.digest));
  EXPECT_EQ(RecordOf("context:1").size, StoredBytes());
}

TEST_F(LedgerTest, ReplacedRecordHandsOnWhatOthersStillName) {
  const tree::TreeRef shared = PutTree({{"s", "shared"}});
  ASSERT_OK(AddTree("context:1", PutTree({{"a", "1"}}, {{"sub", shared}})));
  ASSERT_OK(AddTree("step:2", PutTree({}, {{"sub", shared}})));
  ASSERT_OK(AddTree("context:1", PutTree({{"a", "2"}})));
  EXPECT_TRUE(Stored(shared.digest));
  EXPECT_EQ(RecordOf("context:1").size + RecordOf("step:2").size, StoredBytes());
  ASSERT_OK(ledger_->Remove("context:1"));
  EXPECT_EQ(RecordOf("step:2").size, StoredBytes());
}

TEST_F(LedgerTest, FileWithTheBytesOfADirectoryIsCountedOnce) {
  const tree::TreeRef inner = PutTree({{"x", "inner"}});
  ASSERT_OK_AND_ASSIGN(const std::string encoded, blobs_->Read(inner.digest));
  ASSERT_OK(AddTree("step:file", PutTree({{"looks-like-a-directory", encoded}})));
  ASSERT_OK(AddTree("step:tree", PutTree({}, {{"sub", inner}})));
  EXPECT_EQ(RecordOf("step:file").size + RecordOf("step:tree").size, StoredBytes());
  ASSERT_OK(ledger_->Remove("step:file"));
  EXPECT_EQ(RecordOf("step:tree").size, StoredBytes());
  ASSERT_OK(ledger_->Remove("step:tree"));
  EXPECT_EQ(StoredBytes(), 0u);
}

TEST_F(LedgerTest, RecordThatNamesAnAbsentBlobIsRefused) {
  EXPECT_THAT(ledger_->Add({.identity = "step:1", .blobs = {Digest::Of("absent")}}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("record step:1")));
  EXPECT_THAT(ledger_->List(), IsOkAndHolds(IsEmpty()));
}

TEST_F(LedgerTest, RemovalOfAnAbsentRecordIsNotFound) {
  EXPECT_THAT(ledger_->Remove("step:1"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("step:1")));
}

TEST_F(LedgerTest, RecordInUseIsNotRemoved) {
  ASSERT_OK(AddTree("step:1", PutTree({{"a", "1"}})));
  std::unique_ptr<Lease> lease = ledger_->NewLease();
  EXPECT_THAT(lease->Use("step:1"), IsOkAndHolds(true));
  EXPECT_THAT(lease->Use("step:2"), IsOkAndHolds(false));
  EXPECT_TRUE(RecordOf("step:1").in_use);
  EXPECT_THAT(ledger_->Remove("step:1"),
              StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::_));
  clock_.Advance(absl::Hours(1));
  lease.reset();
  const Record record = RecordOf("step:1");
  EXPECT_FALSE(record.in_use);
  EXPECT_EQ(record.last_used, clock_.Now());
  EXPECT_EQ(record.usage_count, 1);
  EXPECT_OK(ledger_->Remove("step:1"));
}

TEST_F(LedgerTest, UseOfOneRecordLeavesItsParentsAlone) {
  ASSERT_OK(AddTree("step:1", PutTree({{"a", "1"}})));
  ASSERT_OK(ledger_->Add({.identity = "step:2",
                          .trees = {PutTree({{"a", "2"}}).digest},
                          .parents = {"step:1", "step:gone"}}));
  EXPECT_THAT(RecordOf("step:2").parents, ::testing::ElementsAre(RecordOf("step:1").id));
  EXPECT_THAT(ledger_->NewLease()->Use("step:2"), IsOkAndHolds(true));
  EXPECT_EQ(RecordOf("step:1").usage_count, 0);
  EXPECT_EQ(RecordOf("step:1").last_used, std::nullopt);
}

TEST_F(LedgerTest, OwnerOfThePrefixForgetsBeforeBytesGo) {
  const tree::TreeRef tree = PutTree({{"a", "1"}});
  ASSERT_OK(AddTree("step:1", tree));
  ASSERT_OK(AddTree("image:1", PutTree({{"a", "2"}})));
  std::vector<std::string> forgotten;
  ledger_->OnRemove("step:", [&](const std::string& identity) {
    forgotten.push_back(identity);
    EXPECT_TRUE(Stored(tree.digest));
    return absl::OkStatus();
  });
  ASSERT_OK(ledger_->Remove("step:1"));
  ASSERT_OK(ledger_->Remove("image:1"));
  EXPECT_THAT(forgotten, ::testing::ElementsAre("step:1"));
}

TEST_F(LedgerTest, RecordStaysWhenItsOwnerCannotForget) {
  ASSERT_OK(AddTree("step:1", PutTree({{"a", "1"}})));
  ledger_->OnRemove("step:", [](const std::string&) { return absl::UnknownError("no"); });
  EXPECT_THAT(ledger_->Remove("step:1"), StatusIs(absl::StatusCode::kUnknown, HasSubstr("no")));
  EXPECT_EQ(RecordOf("step:1").size, StoredBytes());
}

// A build puts a blob that is there already; the record that brought it goes before the build adds
// its own.
TEST_F(LedgerTest, LeaseKeepsABlobThatItFoundWhenItsRecordGoes) {
  ASSERT_OK(AddTree("step:1", PutTree({{"a", "same"}})));
  std::unique_ptr<Lease> lease = ledger_->NewLease();
  const tree::TreeRef tree = PutTree({{"b", "same"}});
  ASSERT_OK(ledger_->Remove("step:1"));
  EXPECT_TRUE(Stored(Digest::Of("same")));
  ASSERT_OK(AddTree("step:2", tree));
  lease.reset();
  EXPECT_EQ(RecordOf("step:2").size, StoredBytes());
}

// The same for a whole directory of which the build only ever asked for the root.
TEST_F(LedgerTest, LeaseKeepsAllBelowADirectoryThatItFound) {
  const tree::TreeRef sub = PutTree({{"deep", "file"}}, {{"deeper", PutTree({{"x", "y"}})}});
  ASSERT_OK(AddTree("step:1", PutTree({{"a", "1"}}, {{"sub", sub}})));
  std::unique_ptr<Lease> lease = ledger_->NewLease();
  EXPECT_THAT(blobs_->Contains(sub.digest), IsOkAndHolds(true));
  ASSERT_OK(ledger_->Remove("step:1"));
  const tree::TreeRef tree = PutTree({}, {{"moved", sub}});
  ASSERT_OK(AddTree("step:2", tree));
  lease.reset();
  EXPECT_EQ(RecordOf("step:2").size, StoredBytes());
}

TEST_F(LedgerTest, BlobsThatOnlyALeaseKeptGoWithIt) {
  ASSERT_OK(AddTree("step:1", PutTree({{"a", "same"}})));
  std::unique_ptr<Lease> lease = ledger_->NewLease();
  PutTree({{"a", "same"}});
  ASSERT_OK(ledger_->Remove("step:1"));
  EXPECT_GT(StoredBytes(), 0u);
  lease.reset();
  EXPECT_EQ(StoredBytes(), 0u);
}

TEST_F(LedgerTest, SweepRemovesWhatNobodyNamesAndNoLeaseKeeps) {
  ASSERT_OK(AddTree("step:1", PutTree({{"a", "1"}})));
  const uint64_t named = StoredBytes();
  PutTree({{"orphan", std::string(20000, 'o')}}, {{"sub", PutTree({{"x", "deep"}})}});
  const uint64_t orphaned = StoredBytes() - named;
  std::unique_ptr<Lease> lease = ledger_->NewLease();
  PutTree({{"building", "now"}});
  const uint64_t building = StoredBytes() - named - orphaned;
  EXPECT_THAT(ledger_->Sweep(), IsOkAndHolds(orphaned));
  EXPECT_EQ(StoredBytes(), named + building);
  lease.reset();
  EXPECT_EQ(StoredBytes(), named);
}

TEST_F(LedgerTest, SweepKeepsAllBelowAnOrphanThatALeaseFound) {
  const tree::TreeRef tree = PutTree({{"a", "1"}}, {{"sub", PutTree({{"x", "deep"}})}});
  std::unique_ptr<Lease> lease = ledger_->NewLease();
  EXPECT_THAT(blobs_->Contains(tree.digest), IsOkAndHolds(true));
  EXPECT_THAT(ledger_->Sweep(), IsOkAndHolds(0u));
  ASSERT_OK(AddTree("step:1", tree));
  lease.reset();
  EXPECT_EQ(RecordOf("step:1").size, StoredBytes());
}

TEST_F(LedgerTest, DirectoryWhoseBytesAreLostStillLetsItsChildrenGo) {
  const tree::TreeRef tree = PutTree({{"a", "child"}});
  ASSERT_OK(AddTree("step:1", tree));
  ASSERT_OK(database_->Delete(blob::Table::kObjects, tree.digest.raw()));
  ASSERT_OK(ledger_->Remove("step:1"));
  EXPECT_FALSE(Stored(Digest::Of("child")));
}

TEST_F(LedgerTest, DerivedDataIsListedAndRemoved) {
  uint64_t bytes = 500;
  ledger_->AddDerived(
      {.identity = "snapshots:",
       .description = "snapshots",
       .bytes = [&]() -> StatusOr<uint64_t> { return bytes; },
       .remove = [&](uint64_t) -> StatusOr<uint64_t> { return std::exchange(bytes, 0); }});
  EXPECT_EQ(RecordOf("snapshots:").size, 500u);
  EXPECT_THAT(ledger_->TotalBytes(), IsOkAndHolds(500u));
  EXPECT_THAT(ledger_->Remove("snapshots:"), IsOkAndHolds(500u));
  EXPECT_THAT(ledger_->List(), IsOkAndHolds(IsEmpty()));
}

TEST_F(LedgerTest, BuildsAndPrunesAtOnceNeverLoseWhatABuildNeeds) {
  std::thread pruner([&] {
    for (int i = 0; i < 200; ++i) {
      for (int n = 0; n < 4; ++n) {
        ledger_->Remove("step:" + std::to_string(n)).IgnoreError();
      }
      ledger_->Sweep().IgnoreError();
    }
  });
  for (int i = 0; i < 200; ++i) {
    const std::unique_ptr<Lease> lease = ledger_->NewLease();
    const tree::TreeRef shared = PutTree({{"s", "shared"}}, {{"d", PutTree({{"x", "deep"}})}});
    const tree::TreeRef tree = PutTree({{"n", std::to_string(i % 7)}}, {{"sub", shared}});
    const std::string identity = "step:" + std::to_string(i % 4);
    ASSERT_OK(AddTree(identity, tree));
    ASSERT_OK(trees_->Load(shared.digest));
    ASSERT_THAT(blobs_->Read(Digest::Of("deep")), IsOkAndHolds(std::string("deep")));
  }
  pruner.join();
  ASSERT_OK(ledger_->Sweep());
  EXPECT_THAT(ledger_->TotalBytes(), IsOkAndHolds(StoredBytes()));
}

}  // namespace
}  // namespace cairn::gc

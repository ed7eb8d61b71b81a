#include "daemon/ops/cache_mounts.h"

#include <filesystem>

#include "tests/unit/daemon/ops/op_fixture.h"
#include "tests/unit/testing.h"

namespace cairn::ops {
namespace {

using ::testing::ElementsAre;

// A lease under which somebody prunes the record just before it is used for the `pruned_use`th
// time.
class PrunedLease final : public gc::Lease {
 public:
  PrunedLease(gc::Ledger& ledger, int pruned_use)
      : ledger_(ledger), lease_(ledger.NewLease()), pruned_use_(pruned_use) {}

  StatusOr<bool> Use(const std::string& identity) override {
    if (++uses_ == pruned_use_) {
      EXPECT_OK(ledger_.Remove(identity));
    }
    return lease_->Use(identity);
  }

 private:
  gc::Ledger& ledger_;
  const std::unique_ptr<gc::Lease> lease_;
  const int pruned_use_;
  int uses_ = 0;
};

class CacheMountsTest : public testing::OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    ASSERT_OK_AND_ASSIGN(snapshots_,
                         snapshot::Snapshotter::Open(directory_ / "snapshots", *chains_));
    ASSERT_OK_AND_ASSIGN(ledger_, gc::Ledger::Open(*database_, *trees_));
    ASSERT_OK_AND_ASSIGN(mounts_, CacheMounts::Open(directory_ / "mounts", *ledger_, *snapshots_));
  }

  std::vector<std::string> Records() {
    std::vector<std::string> identities;
    const auto records = ledger_->List();
    EXPECT_OK(records);
    for (const gc::Record& record : *records) {
      identities.push_back(record.identity);
    }
    return identities;
  }

  std::unique_ptr<snapshot::Snapshotter> snapshots_;
  std::unique_ptr<gc::Ledger> ledger_;
  std::unique_ptr<CacheMounts> mounts_;
};

TEST_F(CacheMountsTest, DirectoryKeepsWhatAnEarlierStepLeft) {
  const auto lease = ledger_->NewLease();
  std::string directory;
  {
    ASSERT_OK_AND_ASSIGN(const auto use, mounts_->Acquire({.id = "a"}, *lease, {}));
    directory = use->directory();
    std::filesystem::create_directory(directory + "/kept");
  }
  ASSERT_OK_AND_ASSIGN(const auto use, mounts_->Acquire({.id = "a"}, *lease, {}));
  EXPECT_EQ(use->directory(), directory);
  EXPECT_TRUE(std::filesystem::exists(directory + "/kept"));
  EXPECT_THAT(Records(), ElementsAre("mount:a"));
}

TEST_F(CacheMountsTest, RecordInUseIsNotPruned) {
  const auto lease = ledger_->NewLease();
  ASSERT_OK_AND_ASSIGN(const auto use, mounts_->Acquire({.id = "a"}, *lease, {}));
  EXPECT_EQ(ledger_->Remove("mount:a").status().code(), absl::StatusCode::kFailedPrecondition);
}

// A step found its directory gone when somebody pruned between the record and its use.
TEST_F(CacheMountsTest, PruningBesideAnAcquisitionTakesNoDirectoryFromIt) {
  PrunedLease lease(*ledger_, 2);
  ASSERT_OK_AND_ASSIGN(const auto use, mounts_->Acquire({.id = "a"}, lease, {}));
  EXPECT_TRUE(std::filesystem::exists(use->directory()));
  EXPECT_THAT(Records(), ElementsAre("mount:a"));
}

// A directory without a record was neither counted nor ever removed.
TEST_F(CacheMountsTest, NoDirectoryWithoutARecord) {
  CacheMounts::Request request{.id = "a", .initial = MakeChain({{"f", "1"}})};
  ASSERT_OK(blobs_->Remove({Digest::Of("1")}, [](const Digest&) {}));  // filling it fails
  const auto lease = ledger_->NewLease();

  ASSERT_FALSE(mounts_->Acquire(request, *lease, {}).ok());

  EXPECT_EQ(Records().size(), 1u);
}

TEST_F(CacheMountsTest, PrivateOnesAreDirectoriesOfTheirOwn) {
  const auto lease = ledger_->NewLease();
  const CacheMounts::Request request{.id = "a", .sharing = CacheSharing::kPrivate};
  ASSERT_OK_AND_ASSIGN(const auto one, mounts_->Acquire(request, *lease, {}));
  ASSERT_OK_AND_ASSIGN(const auto other, mounts_->Acquire(request, *lease, {}));
  EXPECT_NE(one->directory(), other->directory());
}

TEST_F(CacheMountsTest, WaitForALockedOneCanBeGivenUp) {
  const auto lease = ledger_->NewLease();
  const CacheMounts::Request request{.id = "a", .sharing = CacheSharing::kLocked};
  ASSERT_OK_AND_ASSIGN(const auto use, mounts_->Acquire(request, *lease, {}));
  CancelSource cancel;
  cancel.Cancel("given up");
  EXPECT_TRUE(absl::IsCancelled(mounts_->Acquire(request, *lease, cancel.token()).status()));
}

}  // namespace
}  // namespace cairn::ops

#include <filesystem>

#include "cache/gc/owned_directories.h"
#include "tests/unit/cache/gc/gc_testing.h"

namespace cairn::gc {
namespace {

using testing::IsOkAndHolds;

class DirectoriesTest : public LedgerTest {
 protected:
  Status AddMount(const std::string& identity, const std::string& path) {
    return ledger_->Add({.identity = identity,
                         .type = RecordType::kCacheMount,
                         .is_mutable = true,
                         .directories = {path}});
  }
  const std::string path_ = dir_ / "mounts/1";
};

TEST_F(DirectoriesTest, SizeIsMeasuredAfterEachUse) {
  ASSERT_OK(AddMount("mount:1", path_));
  EXPECT_EQ(RecordOf("mount:1").size, 0u);
  {
    const std::unique_ptr<Lease> lease = ledger_->NewLease();
    ASSERT_OK(lease->Use("mount:1"));
    dir_.Write("mounts/1/file", std::string(100000, 'x'));
  }
  const uint64_t size = RecordOf("mount:1").size;
  EXPECT_GE(size, 100000u);
  EXPECT_LT(size, 150000u);
  EXPECT_THAT(ledger_->TotalBytes(), IsOkAndHolds(size));
}

TEST_F(DirectoriesTest, HardLinksAreMeasuredOnce) {
  dir_.Write("mounts/1/file", std::string(100000, 'x'));
  std::filesystem::create_hard_link(path_ + "/file", path_ + "/link");
  ASSERT_OK_AND_ASSIGN(const uint64_t bytes, MeasureDirectory(path_));
  EXPECT_LT(bytes, 150000u);
  EXPECT_THAT(MeasureDirectory(dir_ / "absent"), IsOkAndHolds(0u));
}

TEST_F(DirectoriesTest, DirectoryGoesWithItsRecord) {
  dir_.Write("mounts/1/deep/file", std::string(100000, 'x'));
  ASSERT_OK(AddMount("mount:1", path_));
  ASSERT_OK_AND_ASSIGN(const uint64_t freed, ledger_->Remove("mount:1"));
  EXPECT_GE(freed, 100000u);
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "mounts"));
}

TEST_F(DirectoriesTest, RecordWhoseDirectoryWasNeverMadeGoesToo) {
  ASSERT_OK(AddMount("mount:1", dir_ / "absent/1"));
  EXPECT_OK(ledger_->Remove("mount:1"));
}

TEST_F(DirectoriesTest, InterruptedRemovalGoesOnAtStart) {
  dir_.Write("mounts/1/file", "x");
  dir_.Write("mounts/2.doomed-8/file", "x");
  dir_.Write("mounts/2/file", "of the next record");
  ASSERT_OK(AddMount("mount:2", dir_ / "mounts/2"));
  blob::WriteBatch batch;
  DoomDirectory(path_, 7, batch);
  DoomDirectory(dir_ / "mounts/2", 8, batch);
  DoomDirectory(dir_ / "mounts/2", 6, batch);
  ASSERT_OK(database_->Commit(batch, /*sync=*/false));
  Reopen();
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "mounts/2.doomed-8"));
  EXPECT_EQ(dir_.Read("mounts/2/file"), "of the next record");
}

}  // namespace
}  // namespace cairn::gc

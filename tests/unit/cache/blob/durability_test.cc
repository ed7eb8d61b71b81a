#include "cache/blob/durability.h"

#include <fcntl.h>
#include <unistd.h>

#include "cache/blob/blob_store.h"
#include "tests/unit/testing.h"

namespace cairn::blob {
namespace {

using testing::IsOkAndHolds;

constexpr uint64_t kFileBytes = BlobStore::kInlineBytes + 1;

// A store that is copied while it is open, as a machine that goes down would leave it: the copy
// has no clean close, and its boot id is made another's.
class DurabilityTest : public ::testing::Test {
 protected:
  DurabilityTest() { OpenStore("live"); }

  void OpenStore(const std::string& name) {
    store_.reset();
    database_.reset();
    auto database = Database::Open(dir_ / (name + "-db"));
    ASSERT_OK(database);
    database_ = *std::move(database);
    auto store = BlobStore::Open(dir_ / name, *database_);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }

  // Opens a copy of what is on the disk now, as after a power loss in which `damage` happened to
  // the files.
  void LosePower(const std::function<void()>& damage) {
    ASSERT_OK(database_->Put(Table::kMeta, "boot-id", "another boot"));
    const auto all = std::filesystem::copy_options::recursive;
    std::filesystem::copy(dir_ / "live", dir_ / "crashed", all);
    std::filesystem::copy(dir_ / "live-db", dir_ / "crashed-db", all);
    damage();
    OpenStore("crashed");
  }
  std::string CrashedPath(const Digest& digest) {
    return dir_ / ("crashed/objects/" + digest.hex().substr(0, 2) + "/" + digest.hex().substr(2));
  }

  testing::TempDir dir_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BlobStore> store_;
};

TEST_F(DurabilityTest, ReopenAfterACleanCloseVerifiesNothing) {
  OpenStore("live");
  EXPECT_FALSE(store_->recovered());
}

TEST_F(DurabilityTest, DamagedFileOfAnUnsyncedEpochIsDroppedAfterAPowerLoss) {
  ASSERT_OK_AND_ASSIGN(const Digest damaged, store_->Put(std::string(kFileBytes, 'd')));
  ASSERT_OK_AND_ASSIGN(const Digest whole, store_->Put(std::string(kFileBytes, 'w')));
  LosePower([&] {
    std::ofstream(CrashedPath(damaged), std::ios::binary) << std::string(kFileBytes, '\0');
  });
  EXPECT_TRUE(store_->recovered());
  EXPECT_THAT(store_->Contains(damaged), IsOkAndHolds(false));
  EXPECT_THAT(store_->Contains(whole), IsOkAndHolds(true));
  EXPECT_THAT(store_->LostBlobs(), IsOkAndHolds(::testing::ElementsAre(damaged)));
  ASSERT_OK(store_->ForgetLostBlobs());
  EXPECT_THAT(store_->LostBlobs(), IsOkAndHolds(::testing::IsEmpty()));
  EXPECT_THAT(store_->RemoveStrays(), IsOkAndHolds(kFileBytes));
}

TEST_F(DurabilityTest, SyncedEpochIsNotReadAgain) {
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(std::string(kFileBytes, 's')));
  ASSERT_OK(store_->MakeDurable());
  // Damage that no power loss does to a synced file; that it goes unseen shows that nobody looked.
  LosePower([&] {
    std::ofstream(CrashedPath(digest), std::ios::binary) << std::string(kFileBytes, '\0');
  });
  EXPECT_THAT(store_->Contains(digest), IsOkAndHolds(true));
}

TEST_F(DurabilityTest, VariantsOfAnUnsyncedEpochAreDroppedAfterAPowerLoss) {
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(std::string(kFileBytes, 'v')));
  const UniqueFd directory(::open(dir_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const fs::Metadata first = {.mode = 0600, .uid = ::geteuid(), .gid = ::getegid()};
  const fs::Metadata second = {.mode = 0755, .uid = ::geteuid(), .gid = ::getegid()};
  ASSERT_OK(store_->Materialize(digest, first, directory.get(), "a", true));
  ASSERT_OK(store_->Materialize(digest, second, directory.get(), "b", true));
  EXPECT_THAT(store_->VariantBytes(), IsOkAndHolds(kFileBytes));
  LosePower([] {});
  EXPECT_THAT(store_->VariantBytes(), IsOkAndHolds(0u));
  EXPECT_THAT(store_->Contains(digest), IsOkAndHolds(true));
}

TEST_F(DurabilityTest, FailedSyncHasTheNextStartVerify) {
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(std::string(kFileBytes, 'f')));
  ASSERT_OK(store_->MakeDurable());
  ASSERT_OK(database_->Put(Table::kMeta, "suspect", "sync the blob store: Input/output error"));
  OpenStore("live");
  EXPECT_TRUE(store_->recovered());
  EXPECT_THAT(store_->Contains(digest), IsOkAndHolds(true));
  OpenStore("live");
  EXPECT_FALSE(store_->recovered());
}

}  // namespace
}  // namespace cairn::blob

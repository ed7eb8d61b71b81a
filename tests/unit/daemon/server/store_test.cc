#include "daemon/server/store.h"

#include <sys/stat.h>

#include "cache/blob/meta_keys.h"
#include "tests/unit/testing.h"

namespace cairn::server {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  StatusOr<std::unique_ptr<Store>> Open() { return Store::Open(dir_ / "state", clock_, log_); }
  bool Exists(const std::string& name) const {
    return std::filesystem::exists(dir_ / ("state/" + name));
  }

  testing::TempDir dir_;
  SystemClock clock_;
  Logger log_{LogLevel::kError, LogFormat::kText};
};

TEST_F(StoreTest, WhatWasStoredIsThereAgain) {
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open());
    ASSERT_OK(store->blobs->Put("kept"));
  }
  ASSERT_OK_AND_ASSIGN(const auto store, Open());
  EXPECT_THAT(store->blobs->Contains(Digest::Of("kept")), testing::IsOkAndHolds(true));
}

// The daemon did not start any more.
TEST_F(StoreTest, DamagedDatabaseIsSetAsideAndTheStoreStartsEmpty) {
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open());
    ASSERT_OK(store->blobs->Put("lost"));
    const auto lease = store->ledger->NewLease();
    ASSERT_OK(store->cache_mounts->Acquire({.id = "ccache"}, *lease, {}));
  }
  dir_.Write("state/database/CURRENT", "MANIFEST-999999\n");
  dir_.Write("state/snapshots/lower/half-written", "x");

  ASSERT_OK_AND_ASSIGN(const auto store, Open());

  EXPECT_THAT(store->blobs->Contains(Digest::Of("lost")), testing::IsOkAndHolds(false));
  EXPECT_TRUE(Exists("database.damaged-1"));
  EXPECT_FALSE(Exists("snapshots/lower/half-written"));
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "state/mounts"));
  EXPECT_THAT(store->ledger->TotalBytes(), testing::IsOkAndHolds(0u));
}

TEST_F(StoreTest, DamageFoundWhileItWasOpenIsDamageToo) {
  { ASSERT_OK(Open()); }
  dir_.Write("state/database.damaged", "");

  ASSERT_OK_AND_ASSIGN(auto store, Open());
  store.reset();
  ASSERT_OK(Open());

  EXPECT_TRUE(Exists("database.damaged-1"));
  EXPECT_FALSE(Exists("database.damaged-2"));
}

TEST_F(StoreTest, ValuesThatNoReleaseWroteAreDamage) {
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open());
    ASSERT_OK(store->database->Put(blob::Table::kMeta, blob::kMetaDurableEpoch, "x"));
  }
  EXPECT_OK(Open());
}

TEST_F(StoreTest, OneDaemonAtATime) {
  ASSERT_OK_AND_ASSIGN(const auto store, Open());
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace cairn::server

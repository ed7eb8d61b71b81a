// A record of durability that could not be written, on a full disk: observed, a store that had
// room again refused to finish any export until the daemon was restarted.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/faults/store_fixture.h"
#include "tests/unit/testing.h"

namespace cairn::faults {
namespace {

TEST(DurableRecordTest, IsWrittenByTheNextCall) {
  // Read at the first fault point, so before anything else in this program.
  ASSERT_EQ(::setenv("CAIRN_FAULT", "blob.synced=error", 1), 0);
  testing::TempDir directory;
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(directory / "state"));
  ASSERT_OK(store->blobs->Put(std::string(1 << 20, 'x')));
  EXPECT_THAT(store->blobs->MakeDurable(),
              testing::StatusIs(absl::StatusCode::kInternal, ::testing::_));
  EXPECT_OK(store->blobs->MakeDurable());
  ASSERT_OK(store->blobs->Put(std::string(1 << 20, 'y')));
  EXPECT_OK(store->blobs->MakeDurable());
}

}  // namespace
}  // namespace cairn::faults

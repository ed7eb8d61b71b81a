#include <fcntl.h>
#include <unistd.h>

#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "tests/unit/testing.h"

namespace cairn::blob {
namespace {

TEST(LinkLimitTest, LinksGoOnBeyondTheFileSystemsLimit) {
  const testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(dir / "db"));
  ASSERT_OK_AND_ASSIGN(const auto store, BlobStore::Open(dir / "store", *database));
  const UniqueFd directory(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::string data(BlobStore::kInlineBytes + 1, 'x');
  const fs::Metadata metadata = {.mode = 0600, .uid = ::geteuid(), .gid = ::getegid()};
  ASSERT_OK_AND_ASSIGN(const Digest digest, store->Put(data));
  // ext4 allows 65000 links of one inode. Where more are allowed these are merely many links.
  for (int i = 0; i < 65010; ++i) {
    ASSERT_OK(store->Materialize(digest, metadata, directory.get(), "file" + std::to_string(i),
                                 /*may_link=*/true));
  }
  EXPECT_THAT(fs::ReadMetadata(directory.get(), "file65009"), testing::IsOkAndHolds(metadata));
  EXPECT_EQ(dir.Read("file65009"), data);
}

}  // namespace
}  // namespace cairn::blob

#include "runtime/fs/tree_walk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "runtime/base/fd.h"
#include "runtime/fs/disk.h"
#include "runtime/fs/file_lock.h"
#include "tests/unit/testing.h"

namespace cairn::fs {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

UniqueFd OpenDir(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

TEST(TreeWalkTest, VisitsSortedAndFollowsNoLink) {
  cairn::testing::TempDir temp;
  temp.Write("b/inner", "x");
  temp.Write("a.txt", "x");
  temp.Write("a/z", "x");
  std::filesystem::create_symlink("/etc", temp / "etc");
  std::vector<std::string> seen;
  ASSERT_OK(WalkTree(
      OpenDir(temp.path()).get(), {},
      [&seen](const WalkEntry& entry) -> StatusOr<WalkAction> {
        seen.push_back(entry.path + (entry.link_target.empty() ? "" : "->" + entry.link_target));
        return WalkAction::kContinue;
      },
      [&seen](const std::string& path) {
        seen.push_back("leave " + path);
        return absl::OkStatus();
      }));
  EXPECT_THAT(seen,
              ElementsAre("a", "a/z", "leave a", "a.txt", "b", "b/inner", "leave b", "etc->/etc"));
}

TEST(TreeWalkTest, SkipAndStop) {
  cairn::testing::TempDir temp;
  temp.Write("a/x", "");
  temp.Write("b/x", "");
  temp.Write("c", "");
  std::vector<std::string> seen;
  ASSERT_OK(WalkTree(OpenDir(temp.path()).get(), {},
                     [&seen](const WalkEntry& entry) -> StatusOr<WalkAction> {
                       seen.push_back(entry.path);
                       return entry.path == "a"   ? WalkAction::kSkip
                              : entry.path == "b" ? WalkAction::kStop
                                                  : WalkAction::kContinue;
                     }));
  EXPECT_THAT(seen, ElementsAre("a", "b"));
}

TEST(TreeWalkTest, GreatDepthNeedsFewDescriptors) {
  cairn::testing::TempDir temp;
  UniqueFd at = OpenDir(temp.path());
  for (int i = 0; i < 400; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
    ASSERT_EQ(::mkdirat(at.get(), "e", 0755), 0);
    at = UniqueFd(::openat(at.get(), "d", O_PATH | O_DIRECTORY));
  }
  int highest = 0;
  int count = 0;
  ASSERT_OK(WalkTree(OpenDir(temp.path()).get(), {.xattrs = false},
                     [&](const WalkEntry& entry) -> StatusOr<WalkAction> {
                       highest = std::max(highest, entry.parent_fd);
                       ++count;
                       return WalkAction::kContinue;
                     }));
  EXPECT_EQ(count, 800);
  EXPECT_LT(highest, 200);
}

TEST(MetadataTest, RoundTrip) {
  cairn::testing::TempDir temp;
  temp.Write("file", "x");
  const UniqueFd dir = OpenDir(temp.path());
  Metadata metadata{.mode = 04751, .uid = 7, .gid = 8, .mtime_ns = -1'500'000'000};
  metadata.xattrs["user.colour"] = "blue";
  ASSERT_OK(ApplyMetadata(dir.get(), "file", Kind::kFile, metadata));
  ASSERT_OK_AND_ASSIGN(Metadata read, ReadMetadata(dir.get(), "file"));
  if (read.xattrs.empty()) {
    metadata.xattrs.clear();  // a file system without user.* attributes
  }
  EXPECT_EQ(read, metadata);
}

TEST(MetadataTest, LinksAreNotFollowed) {
  cairn::testing::TempDir temp;
  temp.Write("file", "x");
  std::filesystem::create_symlink("file", temp / "link");
  const UniqueFd dir = OpenDir(temp.path());
  ASSERT_OK_AND_ASSIGN(const Metadata before, ReadMetadata(dir.get(), "file"));
  ASSERT_OK(ApplyMetadata(dir.get(), "link", Kind::kSymlink,
                          {.mode = 0777, .uid = 9, .gid = 9, .mtime_ns = 5}));
  EXPECT_THAT(ReadMetadata(dir.get(), "file"), cairn::testing::IsOkAndHolds(before));
  ASSERT_OK_AND_ASSIGN(const Metadata link, ReadMetadata(dir.get(), "link"));
  EXPECT_EQ(link.uid, 9u);
  EXPECT_EQ(link.mtime_ns, 5);
  EXPECT_THAT(ApplyMetadata(dir.get(), "link", Kind::kFile, {.mode = 0600}),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
}

TEST(MetadataTest, MachineAttributesAreNotPortable) {
  EXPECT_TRUE(IsPortableXattr("security.capability"));
  EXPECT_TRUE(IsPortableXattr("user.x"));
  for (const char* name : {"trusted.overlay.opaque", "user.overlay.redirect", "security.selinux",
                           "system.posix_acl_access", "trusted.x"}) {
    EXPECT_FALSE(IsPortableXattr(name)) << name;
  }
}

TEST(FileLockTest, SecondHolderIsToldWho) {
  cairn::testing::TempDir temp;
  ASSERT_OK_AND_ASSIGN(const FileLock lock, FileLock::Acquire(temp / "lock"));
  EXPECT_THAT(FileLock::Acquire(temp / "lock"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("pid ")));
}

TEST(DiskTest, TotalIsAtLeastFree) {
  ASSERT_OK_AND_ASSIGN(const DiskSpace space, ReadDiskSpace("/"));
  EXPECT_GT(space.total, 0u);
  EXPECT_GE(space.total, space.free);
}

}  // namespace
}  // namespace cairn::fs

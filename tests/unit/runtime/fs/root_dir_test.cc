#include "runtime/fs/root_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "runtime/fs/temp_dir.h"
#include "tests/unit/testing.h"

namespace cairn::fs {
namespace {

using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RootDirTest : public ::testing::Test {
 protected:
  RootDirTest() : outside_(temp_.Write("outside/secret", "secret")) {
    std::filesystem::create_directory(temp_ / "root");
    root_ = std::make_unique<RootDir>(*RootDir::Open(temp_ / "root"));
  }

  cairn::testing::TempDir temp_;
  const std::string outside_;
  std::unique_ptr<RootDir> root_;
};

TEST_F(RootDirTest, AbsoluteLinkStaysBeneathTheRoot) {
  ASSERT_OK(root_->Symlink(outside_, "link"));
  EXPECT_THAT(root_->ReadFile("link", 100), StatusIs(absl::StatusCode::kNotFound, _));
  ASSERT_OK(root_->Symlink("/run", "var"));
  ASSERT_OK(root_->MakeDirectory("run", 0755));
  ASSERT_OK(root_->WriteFile("var/pid", "7", 0644));
  EXPECT_EQ(temp_.Read("root/run/pid"), "7");
}

TEST_F(RootDirTest, DotDotStopsAtTheRoot) {
  ASSERT_OK(root_->WriteFile("../../file", "inside", 0644));
  EXPECT_EQ(temp_.Read("root/file"), "inside");
  EXPECT_THAT(root_->ReadFile("/../file", 100), IsOkAndHolds("inside"));
}

TEST_F(RootDirTest, WriteReplacesALinkAndDoesNotFollowIt) {
  ASSERT_OK(root_->Symlink(outside_, "link"));
  ASSERT_OK(root_->WriteFile("link", "new", 0644));
  EXPECT_EQ(temp_.Read("outside/secret"), "secret");
  EXPECT_EQ(temp_.Read("root/link"), "new");
}

TEST_F(RootDirTest, PathsWithoutALastComponentAreRefused) {
  for (const char* path : {"", "/", ".", "..", "a/..", "a/."}) {
    EXPECT_THAT(root_->MakeDirectory(path, 0755), StatusIs(absl::StatusCode::kInvalidArgument, _))
        << path;
  }
  EXPECT_THAT(root_->OpenFile(string_view("a\0b", 3), O_RDONLY),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
}

TEST_F(RootDirTest, ReadFileDoesNotBlockOnAFifo) {
  ASSERT_OK(root_->MakeNode("fifo", S_IFIFO | 0644, 0));
  EXPECT_THAT(root_->ReadFile("fifo", 100), StatusIs(absl::StatusCode::kFailedPrecondition, _));
}

TEST_F(RootDirTest, MagicLinksAreRefused) {
  ASSERT_OK_AND_ASSIGN(const RootDir proc, RootDir::Open("/proc"));
  EXPECT_FALSE(proc.OpenFile("self/root/etc", O_RDONLY).ok());
}

TEST_F(RootDirTest, MakeDirectoriesKeepsWhatExists) {
  ASSERT_OK(root_->MakeDirectories("a/b/c", 0755));
  ASSERT_OK(root_->MakeDirectories("/a/b/c/d/", 0755));
  ASSERT_OK(root_->WriteFile("file", "", 0644));
  EXPECT_THAT(root_->MakeDirectories("file/x", 0755),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
  EXPECT_TRUE(std::filesystem::is_directory(temp_ / "root/a/b/c/d"));
}

TEST_F(RootDirTest, RemoveAllDoesNotFollowLinks) {
  ASSERT_OK(root_->MakeDirectories("a/b/c", 0755));
  ASSERT_OK(root_->Symlink(temp_ / "outside", "a/b/link"));
  ASSERT_OK(root_->WriteFile("a/file", "x", 0000));
  ASSERT_OK(root_->RemoveAll("a"));
  ASSERT_OK(root_->RemoveAll("a"));
  EXPECT_EQ(temp_.Read("outside/secret"), "secret");
  EXPECT_THAT(ListDirectory(root_->fd()), IsOkAndHolds(IsEmpty()));
}

TEST_F(RootDirTest, RemoveTreeCopesWithGreatDepth) {
  UniqueFd at(::dup(root_->fd()));
  for (int i = 0; i < 1500; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
    at = UniqueFd(::openat(at.get(), "d", O_PATH | O_DIRECTORY));
    ASSERT_TRUE(at.valid());
  }
  ASSERT_OK(RemoveTree(root_->fd(), "d"));
  EXPECT_THAT(ListDirectory(root_->fd()), IsOkAndHolds(IsEmpty()));
}

TEST_F(RootDirTest, LinkAndRename) {
  ASSERT_OK(root_->WriteFile("a", "x", 0644));
  ASSERT_OK(root_->HardLink("a", "b"));
  ASSERT_OK(root_->Rename("a", "c"));
  ASSERT_OK(root_->Symlink("c", "l"));
  EXPECT_THAT(ListDirectory(root_->fd()), IsOkAndHolds(ElementsAre("b", "c", "l")));
  EXPECT_THAT(root_->ReadLink("l"), IsOkAndHolds("c"));
  ASSERT_OK_AND_ASSIGN(const struct stat status, root_->Stat("l", true));
  EXPECT_EQ(status.st_nlink, 2u);
}

TEST(TempDirTest, GoesAwayWithItsOwner) {
  cairn::testing::TempDir parent;
  std::string path;
  {
    ASSERT_OK_AND_ASSIGN(TempDir temp, TempDir::Create(parent.path(), "x-"));
    path = temp.path();
    std::filesystem::create_directories(path + "/a/b");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace cairn::fs

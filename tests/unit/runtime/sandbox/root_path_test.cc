// Paths inside a root, as the helper program resolves them.
#include "runtime/sandbox/helper/root_path.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "tests/unit/testing.h"

namespace cairn::sandbox {
namespace {

namespace fs = std::filesystem;

class RootPathTest : public ::testing::Test {
 protected:
  RootPathTest() {
    fs::create_directories(dir_ / "root/etc");
    fs::create_directories(dir_ / "outside");
    root_ = ScopedFd(::open((dir_ / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  bool Make(const std::string& path, LeafKind leaf = LeafKind::kDirectory) {
    stubs_.clear();
    MakePathOptions options;
    options.leaf = leaf;
    options.stubs = &stubs_;
    return MakePath(root_.get(), path, options).valid();
  }
  std::string StubPaths() const {
    std::string paths;
    for (const Stub& stub : stubs_) {
      paths += stub.path + (stub.directory ? "/ " : " ");
    }
    return paths;
  }
  testing::TempDir dir_;
  ScopedFd root_;
  std::vector<Stub> stubs_;
};

TEST_F(RootPathTest, MakesWhatIsMissingAndReportsIt) {
  EXPECT_TRUE(Make("/a/b/file", LeafKind::kFile));
  EXPECT_EQ(StubPaths(), "a/ a/b/ a/b/file ");
  EXPECT_TRUE(fs::is_regular_file(dir_ / "root/a/b/file"));
  EXPECT_TRUE(Make("/a/b/file", LeafKind::kFile));
  EXPECT_EQ(StubPaths(), "");
}

TEST_F(RootPathTest, LinksAndDotsStayInside) {
  fs::create_symlink("/x/y", dir_ / "root/absolute");
  fs::create_symlink("../../../../x", dir_ / "root/etc/up");
  EXPECT_TRUE(Make("/absolute/leaf"));
  EXPECT_TRUE(fs::is_directory(dir_ / "root/x/y/leaf"));
  EXPECT_TRUE(Make("/etc/up/other"));
  EXPECT_TRUE(fs::is_directory(dir_ / "root/x/other"));
  EXPECT_TRUE(Make("/../../z/./q"));
  EXPECT_TRUE(fs::is_directory(dir_ / "root/z/q"));
  EXPECT_TRUE(fs::is_empty(dir_ / "outside"));
}

TEST_F(RootPathTest, RefusalsHaveTheirErrno) {
  fs::create_symlink("loop", dir_ / "root/loop");
  EXPECT_FALSE(Make("/loop/x"));
  EXPECT_EQ(errno, ELOOP);
  dir_.Write("root/file", "");
  EXPECT_FALSE(Make("/file/x"));
  EXPECT_EQ(errno, ENOTDIR);
  EXPECT_FALSE(Make("/"));
  EXPECT_EQ(errno, EEXIST);
  EXPECT_FALSE(Make("/etc/.."));
  EXPECT_EQ(errno, EEXIST);
}

TEST_F(RootPathTest, MagicLinksAreNotFollowed) {
  const ScopedFd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  EXPECT_FALSE(OpenInRoot(proc.get(), "self/cwd", O_PATH).valid());
  EXPECT_EQ(errno, ELOOP);
}

TEST_F(RootPathTest, RacingRenamesNeverLeadOut) {
  // Given a directory that is swapped with a link to the outside all the time,
  fs::create_directories(dir_ / "root/swap");
  fs::create_symlink(dir_ / "outside", dir_ / "root/link");
  std::atomic<bool> stop = false;
  std::thread racer([&] {
    const std::string a = dir_ / "root/swap";
    const std::string b = dir_ / "root/link";
    while (!stop) {
      ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
    }
  });
  // when paths through it are made,
  for (int i = 0; i < 3000; ++i) {
    (void)Make("/swap/made" + std::to_string(i));
  }
  stop = true;
  racer.join();
  // then all of them are inside.
  EXPECT_TRUE(fs::is_empty(dir_ / "outside"));
}

TEST(CleanPathTest, IsLexical) {
  EXPECT_EQ(CleanPath("//dev/./shm/"), "/dev/shm");
  EXPECT_EQ(CleanPath("/a/../../b"), "/b");
  EXPECT_EQ(CleanPath(""), "/");
}

}  // namespace
}  // namespace cairn::sandbox

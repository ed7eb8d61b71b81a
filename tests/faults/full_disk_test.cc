// The store's disk fills up under a build: the build fails and says so, the daemon serves on, and
// what prune gives back can be built with.
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/e2e/fixture.h"

namespace cairn::e2e {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kDiskSize[] = "size=96m";
constexpr int kMostMiB = 96;

class FullDiskTest : public DaemonTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root to mount a small disk";
    }
    const std::string root = directory_ / "root";
    std::filesystem::create_directories(root);
    // In a namespace of this process: the mount cannot outlive it.
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mount("small", root.c_str(), "tmpfs", 0, kDiskSize), 0);
    DaemonTest::SetUp();
  }

  void TearDown() override {
    daemon_.reset();
    ::umount2((directory_ / "root").c_str(), MNT_DETACH);
  }

  // A file of the context that no disk of this size holds.
  void WriteLargeFile() {
    const std::string path = directory_.Write("context/large", "");
    std::filesystem::resize_file(path, (kMostMiB + 1) << 20);
  }

  uint64_t FreeBytes() {
    struct statvfs disk = {};
    ::statvfs((directory_ / "root").c_str(), &disk);
    return disk.f_bavail * disk.f_frsize;
  }

  // Room comes back, and small builds with it; a daemon that starts anew finds the store whole.
  void ExpectGoesOn(const std::string& after) {
    SCOPED_TRACE(after);
    const CommandOutput pruned = Cairn({"prune", "--all"});
    EXPECT_EQ(pruned.exit_code, 0) << pruned.err << daemon_->Log();
    // Images are pruned as well.
    const CommandOutput base = Cairn({"build", "-t", "busybox", directory_ / "busybox"});
    EXPECT_EQ(base.exit_code, 0) << base.err << daemon_->Log();
    const std::string dockerfile = absl::StrCat("FROM busybox\nRUN echo after ", after, " > /f\n");
    const CommandOutput small = Build(dockerfile, {"-t", "small"});
    EXPECT_EQ(small.exit_code, 0) << small.err << daemon_->Log();
    ASSERT_NO_FATAL_FAILURE(Restart());
    EXPECT_THAT(Build(dockerfile).err, HasSubstr("CACHED"));
    EXPECT_THAT(Cairn({"run", "--rm", "small", "cat", "/f"}).out, HasSubstr("after " + after));
    EXPECT_GT(FreeBytes(), 64u << 20);
  }
};

TEST_F(FullDiskTest, AContextThatDoesNotFit) {
  WriteLargeFile();
  const CommandOutput failed = Build("FROM busybox\nCOPY large /\n");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err,
              AllOf(HasSubstr("load build context"), ContainsRegex("[Nn]o space left on device")));
  ExpectGoesOn("context");
}

TEST_F(FullDiskTest, AStepThatWritesTooMuch) {
  const CommandOutput failed =
      Build("FROM busybox\nRUN dd if=/dev/zero of=/large bs=1M count=200\n");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err,
              AllOf(HasSubstr("Dockerfile:2"), ContainsRegex("[Nn]o space left on device")));
  ExpectGoesOn("large file");
}

TEST_F(FullDiskTest, AStepWhoseManySmallFilesDoNotFit) {
  // They fit as files; what the store makes of them does not fit besides.
  const CommandOutput failed = Build(
      "FROM busybox\n"
      "RUN mkdir /d && cd /d && head -c 8000 /dev/urandom > 0 && i=1 && "
      "while [ $i -le 8000 ]; do cat 0 > $i && echo $i >> $i; i=$((i+1)); done\n");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err,
              AllOf(HasSubstr("Dockerfile:2"), ContainsRegex("[Nn]o space left on device")));
  ExpectGoesOn("small files");
}

TEST_F(FullDiskTest, AnImageWhoseLayersDoNotFit) {
  const CommandOutput failed =
      Build("FROM busybox\nRUN head -c 50m /dev/urandom > /large\n", {"-t", "large"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, ContainsRegex("[Nn]o space left on device"));
  EXPECT_THAT(Cairn({"images"}).out, Not(HasSubstr("large")));
  ExpectGoesOn("layers");
}

TEST_F(FullDiskTest, OthersBuildOnWhileTheDiskIsFull) {
  ASSERT_EQ(Build("FROM busybox\nRUN head -c 30m /dev/urandom > /a\n").exit_code, 0);
  const CommandOutput failed = Build("FROM busybox\nRUN cat /dev/zero > /large\n");
  EXPECT_EQ(failed.exit_code, 1);
  // What the failed step wrote is gone without anybody's doing.
  const CommandOutput next = Build("FROM busybox\nRUN echo next > /f\n");
  EXPECT_EQ(next.exit_code, 0) << next.err << daemon_->Log();
  ExpectGoesOn("another");
}

}  // namespace
}  // namespace cairn::e2e

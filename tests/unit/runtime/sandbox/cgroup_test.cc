// Control groups on whatever hierarchies this host has.
#include "runtime/sandbox/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/subprocess.h"
#include "runtime/sandbox/cgroup_tree.h"
#include "tests/unit/testing.h"

namespace cairn::sandbox {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class CgroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
    ASSERT_OK_AND_ASSIGN(tree_, CgroupTree::Create(Options()));
  }
  CgroupTreeOptions Options() const {
    CgroupTreeOptions options;
    options.parent = "cairn-test";
    options.key = "k" + std::to_string(::getpid());
    return options;
  }
  // A process in the group that only a kill ends.
  std::unique_ptr<Subprocess> StartInside(Cgroup& group) {
    StatusOr<std::vector<UniqueFd>> files = group.OpenProcsFiles();
    EXPECT_OK(files);
    SubprocessOptions run;
    run.argv = {"/bin/sh", "-c",
                "for fd in 5 6 7 8; do echo 0 >&$fd; done; echo in >&1; exec sleep 1000"};
    StatusOr<FdPair> pipe = MakePipe();
    EXPECT_OK(pipe);
    UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    run.descriptors = {{1, pipe->write.get()}};
    for (int i = 0; i < 4; ++i) {
      const size_t at = static_cast<size_t>(i);
      run.descriptors.emplace_back(5 + i, at < files->size() ? (*files)[at].get() : null.get());
    }
    StatusOr<std::unique_ptr<Subprocess>> child = Subprocess::Start(run);
    EXPECT_OK(child);
    char byte = 0;
    EXPECT_EQ(::read(pipe->read.get(), &byte, 1), 1);
    return std::move(*child);
  }
  std::unique_ptr<CgroupTree> tree_;
};

TEST_F(CgroupTest, KillEndsWhatIsInside) {
  ASSERT_OK_AND_ASSIGN(const auto group, tree_->Make(""));
  const std::unique_ptr<Subprocess> child = StartInside(*group);
  group->Kill();
  ASSERT_OK_AND_ASSIGN(const int code, child->Wait());
  EXPECT_EQ(code, 128 + SIGKILL);
  EXPECT_OK(group->Remove());
}

TEST_F(CgroupTest, RemoveKillsStragglers) {
  ASSERT_OK_AND_ASSIGN(const auto group, tree_->Make(""));
  const std::unique_ptr<Subprocess> child = StartInside(*group);
  EXPECT_OK(group->Remove());
  ASSERT_OK_AND_ASSIGN(const int code, child->Wait());
  EXPECT_EQ(code, 128 + SIGKILL);
}

TEST_F(CgroupTest, NextExecutorRemovesLeftoversOfItsKeyOnly) {
  ASSERT_OK_AND_ASSIGN(auto group, tree_->Make(""));
  const std::unique_ptr<Subprocess> child = StartInside(*group);
  CgroupTreeOptions other = Options();
  other.key = "other";
  ASSERT_OK(CgroupTree::Create(other));
  EXPECT_OK(group->ApplyLimits({.pids_max = 100}));
  ASSERT_OK(CgroupTree::Create(Options()));
  ASSERT_OK_AND_ASSIGN(const int code, child->Wait());
  EXPECT_EQ(code, 128 + SIGKILL);
}

TEST_F(CgroupTest, LimitsAreTakenOrRefusedByName) {
  ASSERT_OK_AND_ASSIGN(const auto group, tree_->Make(""));
  const ResourceLimits all[] = {
      {.memory_bytes = 64 << 20},
      {.memory_bytes = 64 << 20, .memory_swap_bytes = 128 << 20},
      {.cpu_shares = 512},
      {.cpu_period_us = 50000, .cpu_quota_us = 25000},
      {.cpuset_cpus = "0", .cpuset_mems = "0"},
      {.pids_max = 50},
  };
  for (const ResourceLimits& limits : all) {
    const Status applied = group->ApplyLimits(limits);
    // A host without the controller says so.
    if (!applied.ok()) {
      EXPECT_THAT(applied,
                  StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("controller")));
    }
  }
  ASSERT_OK_AND_ASSIGN(const auto files, group->TakeProcsFiles());
  EXPECT_FALSE(files.empty());
  ASSERT_OK_AND_ASSIGN(const auto none, group->TakeProcsFiles());
  EXPECT_TRUE(none.empty());
}

TEST_F(CgroupTest, ParentMayNotClimb) {
  EXPECT_THAT(tree_->Make("a/../../b"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a/../../b")));
  EXPECT_THAT(tree_->Make("system.slice:x:"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("system.slice")));
}

}  // namespace
}  // namespace cairn::sandbox

#include "runtime/base/subprocess.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/thread_pool.h"
#include "tests/unit/testing.h"

namespace cairn {
namespace {

TEST(SubprocessTest, GivesInputBackAndTheExitCode) {
  ASSERT_OK_AND_ASSIGN(CommandOutput output,
                       RunCommand({.argv = {"sh", "-c", "cat; echo oops >&2; exit 3"}}, "hello"));
  EXPECT_EQ(output.exit_code, 3);
  EXPECT_EQ(output.out, "hello");
  EXPECT_EQ(output.err, "oops\n");
}

TEST(SubprocessTest, InputLargerThanThePipeDoesNotBlock) {
  const std::string input(1 << 20, 'x');
  ASSERT_OK_AND_ASSIGN(CommandOutput output, RunCommand({.argv = {"cat"}}, input));
  EXPECT_EQ(output.out.size(), input.size());
}

TEST(SubprocessTest, ProgramThatIsNotThereIsNotFound) {
  EXPECT_THAT(
      Subprocess::Start({.argv = {"/nonexistent/program"}}),
      testing::StatusIs(absl::StatusCode::kNotFound, ::testing::HasSubstr("/nonexistent/program")));
}

TEST(SubprocessTest, DeathBySignalIsReportedAsShellsDo) {
  ASSERT_OK_AND_ASSIGN(auto child, Subprocess::Start({.argv = {"sh", "-c", "kill -9 $$"}}));
  EXPECT_THAT(child->Wait(), testing::IsOkAndHolds(128 + SIGKILL));
}

TEST(SubprocessTest, CancelKillsAndReaps) {
  ASSERT_OK_AND_ASSIGN(auto child, Subprocess::Start({.argv = {"sleep", "1000"}}));
  CancelSource cancel;
  std::thread canceller = StartThread("canceller", [&] { cancel.Cancel(); });
  EXPECT_TRUE(absl::IsCancelled(child->Wait(cancel.token()).status()));
  canceller.join();
  EXPECT_EQ(::kill(child->pid(), 0), -1);
}

// A cancelled fetch went on when git was killed: its helper held the pipe open until the server
// answered.
TEST(SubprocessTest, CancelReachesWhatTheChildStarted) {
  CancelSource cancel;
  std::thread canceller = StartThread("canceller", [&] { cancel.Cancel(); });
  const auto output = RunCommand({.argv = {"sh", "-c", "sleep 1000 & wait"}, .kill_group = true},
                                 "", cancel.token());
  canceller.join();
  EXPECT_TRUE(absl::IsCancelled(output.status()));
}

TEST(SubprocessTest, ProgramMayDifferFromTheNameItIsGiven) {
  ASSERT_OK_AND_ASSIGN(CommandOutput output,
                       RunCommand({.argv = {"a-name", "-c", "echo $0"}, .program = "/bin/sh"}));
  EXPECT_EQ(output.out, "a-name\n") << output.err;
}

TEST(SubprocessTest, DisownedChildInItsOwnSessionLivesOn) {
  ASSERT_OK_AND_ASSIGN(FdPair pipe, MakePipe());
  pid_t pid = 0;
  {
    ASSERT_OK_AND_ASSIGN(auto child,
                         Subprocess::Start({.argv = {"sh", "-c", "read line; echo $line >&3"},
                                            .descriptors = {{0, pipe.read.get()}},
                                            .new_session = true}));
    pid = child->pid();
    EXPECT_EQ(::getsid(pid), pid);
    child->Disown();
  }
  EXPECT_EQ(::kill(pid, 0), 0);
  pipe.write.Reset();
  EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
}

}  // namespace
}  // namespace cairn

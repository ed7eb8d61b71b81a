// Users, environment, working directory, terminals, and processes that join a container.
#include <poll.h>

#include "tests/unit/runtime/sandbox/sandbox_fixture.h"

namespace cairn::sandbox {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ProcessTest : public SandboxTest {
 protected:
  std::string IdOf(const std::string& user) {
    ProcessSpec process = Shell("echo $(id -u):$(id -g) $(id -G); echo $HOME");
    process.user = user;
    const Result result = Run(Overlay(), process);
    return result.outcome.kind == RunOutcome::Kind::kSetupFailed ? result.outcome.message
                                                                 : result.out;
  }

  // Reads from a terminal until `text` has come.
  static std::string ReadUntil(int fd, const std::string& text) {
    std::string all;
    char buffer[256];
    while (all.find(text) == std::string::npos) {
      const ssize_t got = ::read(fd, buffer, sizeof buffer);
      if (got <= 0) {
        break;
      }
      all.append(buffer, static_cast<size_t>(got));
    }
    return all;
  }
};

TEST_F(ProcessTest, UsersAreLookedUpInTheImage) {
  EXPECT_EQ(IdOf(""), "0:0 0\n/root\n");
  EXPECT_EQ(IdOf("app"), "1000:1000 1000 2000\n/home/app\n");
  EXPECT_EQ(IdOf("app:staff"), "1000:50 50\n/home/app\n");
  EXPECT_EQ(IdOf("app:77"), "1000:77 77\n/home/app\n");
  EXPECT_EQ(IdOf("1000:1000"), "1000:1000 1000\n/home/app\n");
  EXPECT_EQ(IdOf("1234"), "1234:0 0\n/\n");
  EXPECT_EQ(IdOf("1000"), "1000:1000 1000 2000\n/home/app\n");
}

TEST_F(ProcessTest, UnknownUsersAreToldByName) {
  EXPECT_EQ(IdOf("foo"), "unable to find user foo: no matching entries in passwd file");
  EXPECT_EQ(IdOf("app:foo"), "unable to find group foo: no matching entries in group file");
}

// BuildKit's words, whatever is wrong with the number.
TEST_F(ProcessTest, NumbersOutOfRangeAreTold) {
  EXPECT_EQ(IdOf("-1"), "uids and gids must be in range 0-2147483647");
  EXPECT_EQ(IdOf("99999999999"), "uids and gids must be in range 0-2147483647");
}

// An image without passwd ran as "root" here, and failed in BuildKit.
TEST_F(ProcessTest, RootIsANameToo) {
  fs::remove(dir_ / "lower/etc/passwd");
  EXPECT_EQ(IdOf("root"), "unable to find user root: no matching entries in passwd file");
  EXPECT_EQ(IdOf("root:root"), "0:0 0\n/\n");
  EXPECT_EQ(IdOf(""), "0:0 0\n/\n");
}

TEST_F(ProcessTest, OddNumbersNeverBecomeRoot) {
  for (const char* user :
       {"4294967295", "4294967296", "2147483648", "-1", "0x0", " 1000", "+0", "1e3", "1000:", ":0",
        "1000:4294967296", "1000000000000000000000000000000000000000", "00", ":"}) {
    ProcessSpec process = Shell("id -u");
    process.user = user;
    const RunOutcome outcome = Run(Overlay(), process).outcome;
    EXPECT_EQ(outcome.kind, RunOutcome::Kind::kSetupFailed) << user;
    EXPECT_EQ(outcome.step, SetupStep::kUser) << user;
  }
}

TEST_F(ProcessTest, HostilePasswdFilesAreRefusedQuickly) {
  const std::string passwd = dir_ / "lower/etc/passwd";
  fs::remove(passwd);
  ASSERT_EQ(::mkfifo(passwd.c_str(), 0644), 0);
  EXPECT_THAT(IdOf("app"), HasSubstr("not a regular file"));
  fs::remove(passwd);
  fs::create_symlink("/dev/zero", passwd);
  EXPECT_THAT(IdOf("app"), HasSubstr("unable to find user app"));
  fs::remove(passwd);
  Write(passwd, "");
  fs::resize_file(passwd, uint64_t{8} << 30);
  EXPECT_THAT(IdOf("app"), HasSubstr("exceeds"));
  // Numbers need no file.
  ProcessSpec process = Shell("true");
  process.user = "12:34";
  EXPECT_TRUE(Run(Overlay(), process).outcome.success());
}

TEST_F(ProcessTest, EnvironmentIsLiteral) {
  ProcessSpec process = Command({"env"});
  process.env = {"PATH=/bin", "A=B=C", "BARE", "=x", "A2=1\n2", "DUP=1", "DUP=2", "HOME=/h"};
  EXPECT_EQ(Run(Overlay(), process).out, "A=B=C\nA2=1\n2\nDUP=2\nHOME=/h\nPATH=/bin\n");
}

TEST_F(ProcessTest, MissingDirectoryIsMadeForTheUser) {
  ProcessSpec process = Shell("pwd; touch here");
  process.cwd = "/work/deep";
  process.user = "app";
  EXPECT_EQ(Run(Overlay(), process).out, "/work/deep\n");
  EXPECT_TRUE(fs::exists(dir_ / "upper/work/deep/here"));
}

TEST_F(ProcessTest, DirectoryOutsideIsRefused) {
  fs::create_symlink("/proc/self/fd/7", dir_ / "lower/leak");
  for (const char* cwd : {"/proc/self/fd/5", "/proc/1/fd/7", "/proc/self/fd/8/../../..", "/leak"}) {
    ProcessSpec process = Shell("pwd");
    process.cwd = cwd;
    const RunOutcome outcome = Run(Overlay(), process).outcome;
    EXPECT_EQ(outcome.kind, RunOutcome::Kind::kSetupFailed) << cwd;
    EXPECT_EQ(outcome.step, SetupStep::kDirectory) << cwd;
  }
}

TEST_F(ProcessTest, UserCanReopenItsOutput) {
  ProcessSpec process = Shell("echo again > /dev/stderr");
  process.user = "app";
  ASSERT_OK_AND_ASSIGN(FdPair pipe, MakePipe());
  ProcessIo io;
  io.error = std::move(pipe.write);
  EXPECT_TRUE(executor_->Run(Overlay(), process, std::move(io), {}).success());
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadAll(pipe.read.get(), 100));
  EXPECT_EQ(text, "again\n");
}

TEST_F(ProcessTest, TerminalIsTheContainersOwn) {
  ProcessSpec process = Shell("stty size; readlink /proc/self/fd/0; read x; stty size; exit 5");
  process.terminal = true;
  process.terminal_rows = 24;
  process.terminal_columns = 80;
  ASSERT_OK_AND_ASSIGN(const auto container, executor_->Start(Overlay(), process, ProcessIo(), {}));
  ASSERT_OK(container->first().WaitStarted());
  const UniqueFd terminal = container->first().TakeTerminal();
  ASSERT_TRUE(terminal.valid());
  EXPECT_EQ(ReadUntil(terminal.get(), "pts/0\r\n"), "24 80\r\n/dev/pts/0\r\n");
  ASSERT_OK(container->first().Resize(50, 132));
  ASSERT_OK(WriteAll(terminal.get(), "\n"));
  EXPECT_THAT(ReadUntil(terminal.get(), "132"), HasSubstr("50 132"));
  EXPECT_EQ(container->first().Wait().exit_code, 5);
}

class JoinTest : public ProcessTest {
 protected:
  void SetUp() override {
    ProcessTest::SetUp();
    if (executor_ == nullptr) {
      return;
    }
    ASSERT_OK_AND_ASSIGN(container_,
                         executor_->Start(Overlay(), Command({"sleep", "1000"}), ProcessIo(), {}));
    ASSERT_OK(container_->first().WaitStarted());
  }

  Result Join(const ProcessSpec& process) {
    ProcessIo io;
    io.output.Reset(
        ::open((dir_ / "output").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    Result result;
    StatusOr<std::unique_ptr<Process>> joined = container_->Join(process, std::move(io));
    EXPECT_OK(joined);
    result.outcome = (*joined)->Wait();
    result.out = dir_.Read("output");
    return result;
  }

  std::unique_ptr<Container> container_;
};

TEST_F(JoinTest, SharesTheContainerAndItsLimits) {
  const Result result =
      Join(Shell("echo shared > /tmp/x; hostname; tr '\\0' ' ' < /proc/1/cmdline; echo; "
                 "grep -E 'CapEff|Seccomp:' /proc/self/status; cat /proc/self/cgroup | grep -c "
                 "cairn; cat /proc/self/oom_score_adj; exit 9"));
  EXPECT_EQ(result.outcome.exit_code, 9) << ToString(result.outcome);
  EXPECT_EQ(result.out,
            "buildkitsandbox\nsleep 1000 \nCapEff:\t00000000a80425fb\nSeccomp:\t2\n0\n500\n");
  EXPECT_EQ(dir_.Read("upper/tmp/x"), "shared\n");
}

TEST_F(JoinTest, UserDirectoryAndErrorsWorkAsForTheFirst) {
  ProcessSpec process = Shell("id -u; pwd");
  process.user = "app";
  process.cwd = "/tmp";
  EXPECT_EQ(Join(process).out, "1000\n/tmp\n");
  EXPECT_EQ(Join(Command({"nothing"})).outcome.exit_code, 127);
  process.user = "foo";
  EXPECT_EQ(Join(process).outcome.kind, RunOutcome::Kind::kSetupFailed);
}

TEST_F(JoinTest, TerminalOfAJoinedProcess) {
  ProcessSpec process = Shell("stty size");
  process.terminal = true;
  process.terminal_rows = 10;
  process.terminal_columns = 20;
  ASSERT_OK_AND_ASSIGN(const auto joined, container_->Join(process, ProcessIo()));
  ASSERT_OK(joined->WaitStarted());
  const UniqueFd terminal = joined->TakeTerminal();
  EXPECT_THAT(ReadUntil(terminal.get(), "20"), HasSubstr("10 20"));
  EXPECT_TRUE(joined->Wait().success());
}

TEST_F(JoinTest, CancelKillsTheJoinedProcessAlone) {
  ASSERT_OK_AND_ASSIGN(const auto joined, container_->Join(Shell("sleep 1000"), ProcessIo()));
  ASSERT_OK(joined->WaitStarted());
  CancelSource cancel;
  cancel.Cancel();
  EXPECT_EQ(joined->Wait(cancel.token()).kind, RunOutcome::Kind::kCancelled);
  EXPECT_EQ(Join(Shell("exit 4")).outcome.exit_code, 4);
}

TEST_F(JoinTest, EndsWithTheContainer) {
  ASSERT_OK_AND_ASSIGN(const auto joined, container_->Join(Shell("sleep 1000"), ProcessIo()));
  ASSERT_OK(joined->WaitStarted());
  container_->Kill();
  EXPECT_EQ(joined->Wait().kind, RunOutcome::Kind::kSignalled);
  EXPECT_EQ(container_->first().Wait().kind, RunOutcome::Kind::kSignalled);
  EXPECT_THAT(container_->Join(Shell("true"), ProcessIo()),
              testing::StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("ended")));
}

}  // namespace
}  // namespace cairn::sandbox

// How the end of a process is told, and that nothing is left after it.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "runtime/base/subprocess.h"
#include "tests/unit/runtime/sandbox/sandbox_fixture.h"

namespace cairn::sandbox {
namespace {

using Kind = RunOutcome::Kind;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class OutcomeTest : public SandboxTest {
 protected:
  // Starts `script`, waits until it has printed something, and returns the container.
  std::unique_ptr<Container> StartAndWaitForOutput(const ContainerSpec& spec,
                                                   const std::string& script) {
    StatusOr<FdPair> pipe = MakePipe();
    EXPECT_OK(pipe);
    ProcessIo io;
    io.output = std::move(pipe->write);
    StatusOr<std::unique_ptr<Container>> container =
        executor_->Start(spec, Shell(script), std::move(io), {});
    EXPECT_OK(container);
    char byte = 0;
    EXPECT_EQ(::read(pipe->read.get(), &byte, 1), 1);
    return std::move(*container);
  }
};

TEST_F(OutcomeTest, ExitCodeAndOutputComeBack) {
  const Result result = RunShell("echo hello; echo problem >&2; exit 3");
  EXPECT_EQ(result.outcome.kind, Kind::kExited) << ToString(result.outcome);
  EXPECT_EQ(result.outcome.exit_code, 3);
  EXPECT_EQ(result.out, "hello\nproblem\n");
}

TEST_F(OutcomeTest, SuccessIsSuccess) {
  EXPECT_TRUE(RunShell("true").outcome.success());
  EXPECT_FALSE(RunShell("false").outcome.success());
}

TEST_F(OutcomeTest, DeathByOwnSignalIsTold) {
  // Pid 1 gets no signal that it has no handler for, except from outside.
  const std::unique_ptr<Container> container =
      StartAndWaitForOutput(Overlay(), "echo ready; exec sleep 1000");
  ASSERT_OK(container->first().Signal(SIGKILL));
  const RunOutcome outcome = container->first().Wait();
  EXPECT_EQ(outcome.kind, Kind::kSignalled);
  EXPECT_EQ(outcome.signal, SIGKILL);
  EXPECT_EQ(outcome.exit_code, 137);
}

TEST_F(OutcomeTest, HandledSignalArrives) {
  const std::unique_ptr<Container> container = StartAndWaitForOutput(
      Overlay(), "trap 'exit 42' TERM; echo ready; while :; do sleep 0.01; done");
  ASSERT_OK(container->first().Signal(SIGTERM));
  EXPECT_EQ(container->first().Wait().exit_code, 42);
}

TEST_F(OutcomeTest, MissingProgramReadsLikeAShells) {
  const Result result = Run(Overlay(), Command({"no-such-program"}));
  EXPECT_EQ(result.outcome.kind, Kind::kExited);
  EXPECT_EQ(result.outcome.exit_code, 127);
  EXPECT_EQ(result.outcome.message,
            "exec: \"no-such-program\": executable file not found in $PATH");
  EXPECT_THAT(result.out,
              HasSubstr("exec: \"no-such-program\": executable file not found in $PATH"));
}

TEST_F(OutcomeTest, ProgramThatCannotRunSaysWhy) {
  Write(dir_ / "lower/plain", "text");
  EXPECT_THAT(Run(Overlay(), Command({"/missing"})).outcome.message,
              EndsWith("no such file or directory"));
  const Result denied = Run(Overlay(), Command({"/plain"}));
  EXPECT_EQ(denied.outcome.exit_code, 126);
  EXPECT_THAT(denied.outcome.message, EndsWith("permission denied"));
  EXPECT_THAT(Run(Overlay(), Command({"/etc"})).outcome.message, EndsWith("is a directory"));
}

TEST_F(OutcomeTest, SetupFailureNamesTheStepAndTheMount) {
  ContainerSpec spec = Overlay();
  MountSpec mount;
  mount.destination = "/x";
  mount.source = dir_ / "missing";
  spec.mounts = {mount};
  const RunOutcome outcome = Run(spec, Shell("true")).outcome;
  EXPECT_EQ(outcome.kind, Kind::kSetupFailed);
  EXPECT_EQ(outcome.step, SetupStep::kMount);
  EXPECT_EQ(outcome.message, "mount /x: source: no such file or directory");
}

TEST_F(OutcomeTest, MemoryLimitKillIsToldApart) {
  ContainerSpec spec = Overlay();
  spec.limits.memory_bytes = 24 << 20;
  const RunOutcome outcome = Run(spec, Shell("exec tail -c 200000000 /dev/zero")).outcome;
  EXPECT_EQ(outcome.kind, Kind::kOomKilled) << ToString(outcome);
  EXPECT_EQ(outcome.exit_code, 137);
}

TEST_F(OutcomeTest, CancelledForkBombLeavesNothing) {
  ContainerSpec spec = Overlay();
  spec.limits.pids_max = 64;
  const std::unique_ptr<Container> container = StartAndWaitForOutput(
      spec, "bomb() { while :; do (bomb) & done; }; bomb 2>/dev/null & echo go; exec sleep 1000");
  CancelSource cancel;
  cancel.Cancel();
  const RunOutcome outcome = container->first().Wait(cancel.token());
  EXPECT_EQ(outcome.kind, Kind::kCancelled);
}

TEST_F(OutcomeTest, BackgroundProcessesEndWithTheFirst) {
  // Given a step that leaves a daemon behind which holds the output open.
  StatusOr<FdPair> pipe = MakePipe();
  ASSERT_OK(pipe);
  ProcessIo io;
  io.output = std::move(pipe->write);
  const RunOutcome outcome = executor_->Run(
      Overlay(), Shell("(trap '' HUP TERM; sleep 1000) & exit 0"), std::move(io), {});
  // Then the output is closed as soon as the step has ended.
  EXPECT_TRUE(outcome.success());
  ASSERT_OK_AND_ASSIGN(const std::string rest, ReadAll(pipe->read.get(), 100));
  EXPECT_EQ(rest, "");
}

TEST_F(OutcomeTest, CancelBeforeStartRunsNothing) {
  CancelSource cancel;
  cancel.Cancel();
  const Result result = Run(Overlay(), Shell("touch /ran"), cancel.token());
  EXPECT_EQ(result.outcome.kind, Kind::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "upper/ran"));
}

TEST_F(OutcomeTest, DestroyedContainerIsDead) {
  StatusOr<FdPair> pipe = MakePipe();
  ASSERT_OK(pipe);
  ProcessIo io;
  io.output = std::move(pipe->write);
  {
    ASSERT_OK_AND_ASSIGN(const auto container,
                         executor_->Start(Overlay(), Shell("sleep 1000"), std::move(io), {}));
  }
  ASSERT_OK_AND_ASSIGN(const std::string rest, ReadAll(pipe->read.get(), 100));
  EXPECT_EQ(rest, "");
}

TEST_F(OutcomeTest, UsageIsCounted) {
  const RunOutcome outcome = RunShell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").outcome;
  EXPECT_GT(outcome.usage.cpu_user + outcome.usage.cpu_system, absl::ZeroDuration());
  EXPECT_GT(outcome.usage.peak_memory_bytes, 0);
  EXPECT_GT(outcome.durations.setup, absl::ZeroDuration());
}

TEST_F(OutcomeTest, ManyAtOnceAllEnd) {
  std::vector<std::thread> threads;
  std::vector<std::string> outcomes(8);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    ContainerSpec spec = Overlay();
    spec.root.overlay.upper = dir_ / ("upper" + std::to_string(i));
    spec.root.overlay.work = dir_ / ("work" + std::to_string(i));
    std::filesystem::create_directories(spec.root.overlay.upper);
    std::filesystem::create_directories(spec.root.overlay.work);
    std::string& outcome = outcomes[i];
    threads.emplace_back([this, spec, i, &outcome] {
      outcome = ToString(executor_->Run(spec, Shell("exit " + std::to_string(i)), ProcessIo(), {}));
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i], "exited with code " + std::to_string(i));
  }
}

TEST_F(OutcomeTest, ContainersDieWithAKilledDaemon) {
  // Given a program of its own that runs a container and is killed.
  ASSERT_OK_AND_ASSIGN(FdPair pipe, MakePipe());
  SubprocessOptions run;
  run.argv = {CAIRN_BINARY_DIR "/../tests/sandbox_runner", dir_ / "runner-state", dir_ / "lower"};
  run.descriptors = {{1, pipe.write.get()}};
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Subprocess> runner, Subprocess::Start(run));
  pipe.write.Reset();
  char byte = 0;
  ASSERT_EQ(::read(pipe.read.get(), &byte, 1), 1);
  // When it dies without a chance to clean up.
  runner->Kill(SIGKILL);
  ASSERT_OK(runner->Wait());
  // Then the container's end of the pipe closes, so the process in it is gone,
  ASSERT_OK_AND_ASSIGN(const std::string rest, ReadAll(pipe.read.get(), 1000));
  EXPECT_EQ(rest, "eady\n");
  // and the next executor on the same state directory removes the control group.
  ExecutorOptions options = Options();
  options.state_directory = dir_ / "runner-state";
  ASSERT_OK(Executor::Create(options));
}

}  // namespace
}  // namespace cairn::sandbox

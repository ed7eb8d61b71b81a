// cairnd under a service manager: its unit files, sockets handed over, notifications, and draining.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/leftovers.h"

namespace cairn::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Plays the service manager: holds the listening socket, starts the daemon with it, is notified.
class ServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(listener_, Bind(SOCK_STREAM, Path("cairnd.sock")));
    ASSERT_EQ(::listen(listener_.get(), 16), 0);
    ASSERT_OK_AND_ASSIGN(notified_, Bind(SOCK_DGRAM, Path("notify.sock")));
    std::filesystem::create_directories(directory_ / "context");
    std::filesystem::copy_file("/bin/busybox", directory_ / "context/busybox");
  }

  std::string Path(const std::string& name) const { return directory_ / name; }
  std::string address() const { return "unix://" + Path("cairnd.sock"); }

  static StatusOr<UniqueFd> Bind(int type, const std::string& path) {
    UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return ErrnoStatus(errno, "bind " + path);
    }
    return socket;
  }

  // As systemd does: descriptors from 3 on, and the variables that tell of them. The shell is what
  // knows its own pid before it becomes the daemon.
  StatusOr<std::unique_ptr<Subprocess>> StartService() {
    ASSIGN_OR_RETURN(const auto log, OpenForAppending(Path("cairnd.log")));
    return Subprocess::Start(
        {.argv = {"/bin/sh", "-c", "LISTEN_PID=$$ exec \"$0\" --addr fd:// --root \"$1\"",
                  ProgramPath("cairnd"), Path("root")},
         .environment = {{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LISTEN_FDS=1",
                          "LISTEN_FDNAMES=cairnd.socket", "NOTIFY_SOCKET=" + Path("notify.sock")}},
         .descriptors = {{1, log.get()}, {2, log.get()}, {3, listener_.get()}}});
  }

  // The next message that the service sends to its manager.
  std::string Notification() {
    char buffer[256];
    const ssize_t got = ::recv(notified_.get(), buffer, sizeof buffer, 0);
    return got > 0 ? std::string(buffer, static_cast<size_t>(got)) : "";
  }

  // A build of one step whose output is followed; `script` runs in busybox's shell.
  StatusOr<std::unique_ptr<Subprocess>> StartBuild(const std::string& script, int error) {
    directory_.Write(
        "context/Dockerfile",
        absl::StrCat("FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/sleep\nENV ", mark_,
                     "\nRUN ", script, "\n"));
    return Subprocess::Start({.argv = {ProgramPath("cairn"), "--addr", address(), "build",
                                       "--progress=plain", "-o", Path("out"), Path("context")},
                              .descriptors = {{2, error}}});
  }

  const OrphanWatch orphans_;
  const testing::TempDir directory_;
  const std::string mark_ = "CAIRN_TEST=" + directory_.path();
  UniqueFd listener_;
  UniqueFd notified_;
};

TEST_F(ServiceTest, UnitFilesAreSound) {
  if (!HasProgram("systemd-analyze")) {
    GTEST_SKIP() << "systemd-analyze is not installed";
  }
  // The units as installed, but for the program, which is not installed here.
  for (const char* name : {"cairnd.service", "cairnd.socket"}) {
    ASSERT_OK_AND_ASSIGN(const std::string unit,
                         ReadFile(absl::StrCat(CAIRN_SOURCE_DIR, "/deploy/systemd/", name)));
    directory_.Write(name,
                     absl::StrReplaceAll(unit, {{"/usr/local/bin/cairnd", ProgramPath("cairnd")}}));
  }
  const CommandOutput verified = RunProgram(
      {"systemd-analyze", "verify", "--man=no", Path("cairnd.service"), Path("cairnd.socket")});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
  EXPECT_THAT(verified.err, Not(HasSubstr("cairnd.s"))) << verified.err;
}

TEST_F(ServiceTest, ServesTheSocketItIsGivenAndTellsItsManager) {
  ASSERT_OK_AND_ASSIGN(const auto service, StartService());
  // A client need not wait for the service to be up: the socket is there.
  const CommandOutput workers = RunProgram({"cairn", "--addr", address(), "workers"});
  EXPECT_EQ(workers.exit_code, 0) << workers.err;
  EXPECT_EQ(Notification(), "READY=1");
  service->Kill(SIGTERM);
  EXPECT_EQ(Notification(), "STOPPING=1");
  EXPECT_THAT(service->Wait(), testing::IsOkAndHolds(0)) << directory_.Read("cairnd.log");
  // It is the manager's: the next daemon serves it.
  EXPECT_TRUE(std::filesystem::exists(Path("cairnd.sock")));
  ASSERT_OK_AND_ASSIGN(const auto next, StartService());
  EXPECT_EQ(RunProgram({"cairn", "--addr", address(), "workers"}).exit_code, 0);
}

TEST_F(ServiceTest, StepsDoNotGetTheManagersSockets) {
  ASSERT_OK_AND_ASSIGN(const auto service, StartService());
  ASSERT_OK_AND_ASSIGN(const FdPair pipe, MakePipe());
  ASSERT_OK_AND_ASSIGN(
      const auto build,
      StartBuild("[ -z \"$LISTEN_FDS$NOTIFY_SOCKET\" ] && [ ! -e /proc/self/fd/3 ]",
                 pipe.write.get()));
  EXPECT_THAT(build->Wait(), testing::IsOkAndHolds(0));
}

TEST_F(ServiceTest, DrainingLetsARunningBuildFinishWhileNewClientsWaitForTheNext) {
  ASSERT_OK_AND_ASSIGN(const auto service, StartService());
  ASSERT_OK_AND_ASSIGN(FdPair pipe, MakePipe());
  ASSERT_OK_AND_ASSIGN(const auto build,
                       StartBuild("echo begun; sleep 0.5; echo done > /result", pipe.write.get()));
  pipe.write.Reset();
  ASSERT_TRUE(ReadUntil(pipe.read.get(), " begun"));
  EXPECT_EQ(Notification(), "READY=1");
  service->Kill(SIGTERM);
  EXPECT_EQ(Notification(), "STOPPING=1");
  CommandOutput waiting;
  std::thread client([&] {
    waiting = RunProgram({"cairn", "--addr", address(), "workers", "--wait", "30s"});
  });
  EXPECT_THAT(build->Wait(), testing::IsOkAndHolds(0)) << directory_.Read("cairnd.log");
  EXPECT_EQ(directory_.Read("out/result"), "done\n");
  EXPECT_THAT(service->Wait(), testing::IsOkAndHolds(0)) << directory_.Read("cairnd.log");
  auto next = StartService();
  client.join();
  ASSERT_OK(next);
  EXPECT_EQ(waiting.exit_code, 0) << waiting.err;
}

TEST_F(ServiceTest, ASecondSignalEndsItAtOnceAndNothingOfABuildIsLeft) {
  ASSERT_OK_AND_ASSIGN(const auto service, StartService());
  ASSERT_OK_AND_ASSIGN(FdPair pipe, MakePipe());
  ASSERT_OK_AND_ASSIGN(const auto build, StartBuild("echo begun; sleep 1000", pipe.write.get()));
  pipe.write.Reset();
  ASSERT_TRUE(ReadUntil(pipe.read.get(), " begun"));
  EXPECT_EQ(Notification(), "READY=1");
  service->Kill(SIGTERM);
  EXPECT_EQ(Notification(), "STOPPING=1");
  service->Kill(SIGTERM);
  ASSERT_OK(service->Wait());
  ASSERT_OK_AND_ASSIGN(const std::string rest, ReadAll(pipe.read.get(), 1 << 20));
  EXPECT_THAT(build->Wait(), testing::IsOkAndHolds(1)) << rest;
  EXPECT_THAT(rest, HasSubstr("ERROR: ")) << rest;
  EXPECT_THAT(orphans_.Survivors(absl::Seconds(10)), IsEmpty());
  EXPECT_THAT(ProcessesWith(mark_), IsEmpty());
  EXPECT_THAT(MountsBelow(directory_.path()), IsEmpty());
}

}  // namespace
}  // namespace cairn::e2e

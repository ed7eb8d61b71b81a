// cairn run as a user meets it: output, exit codes, published ports, runs in the background.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "runtime/base/cancel.h"
#include "runtime/base/fd.h"
#include "runtime/base/thread_pool.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/leftovers.h"

namespace cairn::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOkAndHolds;
using ::testing::Not;

constexpr absl::Duration kAnswerLimit = absl::Seconds(20);

class RunTest : public DaemonTest {
 protected:
  void TearDown() override {
    for (const std::string& id : started_) {
      Cairn({"stop", id});
    }
    EXPECT_THAT(MountsBelow(directory_.path()), IsEmpty());
  }

  // The id of a run in the background that publishes a free port of loopback for `port`.
  std::string RunServer(int port, std::vector<std::string> command) {
    command.insert(command.begin(),
                   {"run", "-d", "-p", absl::StrCat("127.0.0.1::", port), "busybox"});
    const CommandOutput run = Cairn(std::move(command));
    EXPECT_EQ(run.exit_code, 0) << run.err << daemon_->Log();
    started_.push_back(std::string(absl::StripAsciiWhitespace(run.out)));
    return started_.back();
  }

  // The line of `cairn ps -a` for a run; empty when there is none.
  std::string Listed(const std::string& id) {
    for (const auto& line : absl::StrSplit(Cairn({"ps", "-a"}).out, '\n')) {
      if (absl::StartsWith(line, id)) {
        return std::string(line);
      }
    }
    return "";
  }

  uint16_t PortOf(const std::string& id) {
    const std::string line = Listed(id);
    const size_t begin = line.find("127.0.0.1:");
    uint32_t port = 0;
    EXPECT_TRUE(begin != std::string::npos &&
                absl::SimpleAtoi(line.substr(begin + 10, line.find("->") - begin - 10), &port))
        << line;
    return static_cast<uint16_t>(port);
  }

  std::vector<std::string> started_;
};

StatusOr<UniqueFd> ConnectTo(uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return ErrnoStatus(errno, "connect");
  }
  return socket;
}

// Sends `question`, ends that half, and reads the answer to its end. Tried anew while it is empty:
// the server may not listen yet.
StatusOr<std::string> Ask(uint16_t port, const std::string& question) {
  const absl::Time deadline = absl::Now() + kAnswerLimit;
  StatusOr<std::string> answer = std::string();
  while (absl::Now() < deadline) {
    ASSIGN_OR_RETURN(const UniqueFd socket, ConnectTo(port));
    std::thread sender = StartThread("sender", [&socket, &question] {
      string_view rest = question;
      while (!rest.empty()) {
        const ssize_t sent = ::send(socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
          break;
        }
        rest.remove_prefix(static_cast<size_t>(sent));
      }
      ::shutdown(socket.get(), SHUT_WR);
    });
    answer = ReadAll(socket.get(), 256 << 20);
    sender.join();
    if (answer.ok() && !answer->empty()) {
      return answer;
    }
    CancelToken().WaitFor(absl::Milliseconds(20));
  }
  return answer;
}

// A server that runs `program` for each connection.
std::vector<std::string> Serve(int port, const std::string& program) {
  return {"nc", "-ll", "-p", std::to_string(port), "-e", "sh", "-c", program};
}

TEST_F(RunTest, OutputInputAndExitCodeAreTheCommands) {
  const CommandOutput run =
      Cairn({"run", "--rm", "-i", "busybox", "sh", "-c", "cat; echo oops >&2; exit 7"}, "hello");
  EXPECT_EQ(run.exit_code, 7);
  EXPECT_EQ(run.out, "hello");
  EXPECT_EQ(run.err, "oops\n");
  EXPECT_EQ(Cairn({"run", "--rm", "busybox", "sh", "-c", "exit 255"}).exit_code, 255);
}

TEST_F(RunTest, EnvironmentUserDirectoryAndEntryPointAreTakenFromTheCommandLine) {
  const CommandOutput run =
      Cairn({"run", "--rm", "-e", "COLOUR=blue", "-u", "app", "-w", "/tmp", "--entrypoint",
             "/bin/sh", "busybox", "-c", "echo $COLOUR $(id -un) $(pwd)"});
  EXPECT_EQ(run.out, "blue app /tmp\n") << run.err;
}

TEST_F(RunTest, ImageThatIsNotThereIsNamed) {
  const CommandOutput run = Cairn({"run", "--rm", "localhost:1/none"});
  EXPECT_NE(run.exit_code, 0);
  EXPECT_THAT(run.err, HasSubstr("localhost:1/none"));
}

TEST_F(RunTest, PublishedPortReachesTheContainerUntilItIsStopped) {
  const std::string id = RunServer(80, {"sh", "-c", "echo hi > /index.html; httpd -f -p 80 -h /"});
  const uint16_t port = PortOf(id);
  EXPECT_THAT(Ask(port, "GET /index.html HTTP/1.0\r\n\r\n"),
              IsOkAndHolds(HasSubstr("\r\n\r\nhi\n")));
  EXPECT_THAT(Listed(id), HasSubstr("Up"));
  const CommandOutput stopped = Cairn({"stop", id.substr(0, 8)});
  EXPECT_EQ(stopped.out, id + "\n") << stopped.err;
  EXPECT_EQ(Listed(id), "");
  EXPECT_FALSE(ConnectTo(port).ok());
  EXPECT_THAT(MountsBelow(directory_.path()), IsEmpty());
}

TEST_F(RunTest, TwoContainersMayListenOnTheSamePort) {
  const std::string one = RunServer(8080, Serve(8080, "echo one"));
  const std::string two = RunServer(8080, Serve(8080, "echo two"));
  EXPECT_THAT(Ask(PortOf(one), ""), IsOkAndHolds("one\n"));
  EXPECT_THAT(Ask(PortOf(two), ""), IsOkAndHolds("two\n"));
}

TEST_F(RunTest, EitherSideMayEndItsHalfOfAConnectionFirst) {
  const std::string id = RunServer(9, Serve(9, "wc -c; echo end"));
  EXPECT_THAT(Ask(PortOf(id), std::string(100000, 'x')), IsOkAndHolds("100000\nend\n"));
}

TEST_F(RunTest, LargeTransfersBothWaysAtOnceArriveWhole) {
  const std::string id = RunServer(9, Serve(9, "cat"));
  std::string data(24 << 20, '\0');
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<char>(i * 7 >> 5);
  }
  ASSERT_OK_AND_ASSIGN(const std::string back, Ask(PortOf(id), data));
  EXPECT_TRUE(back == data) << back.size();
}

TEST_F(RunTest, PortThatIsInUseIsRefusedBeforeAnythingStarts) {
  const std::string id = RunServer(9, Serve(9, "cat"));
  const std::string port = absl::StrCat("127.0.0.1:", PortOf(id), ":80");
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"-d"}}) {
    std::vector<std::string> command = {"run", "-p", port, "busybox", "true"};
    command.insert(command.begin() + 1, flags.begin(), flags.end());
    const CommandOutput run = Cairn(command);
    EXPECT_NE(run.exit_code, 0);
    EXPECT_THAT(run.err, HasSubstr("is in use on this machine"));
    EXPECT_EQ(run.out, "");
  }
}

TEST_F(RunTest, RunInTheBackgroundThatEndsKeepsItsLogUntilItIsStopped) {
  const CommandOutput run =
      Cairn({"run", "-d", "busybox", "sh", "-c", "echo from the background; exit 3"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string id(absl::StripAsciiWhitespace(run.out));
  started_.push_back(id);
  const absl::Time deadline = absl::Now() + kAnswerLimit;
  while (absl::Now() < deadline && !absl::StrContains(Listed(id), "Exited")) {
    CancelToken().WaitFor(absl::Milliseconds(20));
  }
  EXPECT_THAT(Listed(id), HasSubstr("Exited (3)"));
  EXPECT_THAT(Cairn({"ps"}).out, Not(HasSubstr(id)));
  EXPECT_EQ(Cairn({"logs", id}).out, "from the background\n");
  EXPECT_EQ(Cairn({"stop", id}).exit_code, 0);
  EXPECT_EQ(Listed(id), "");
  EXPECT_THAT(Cairn({"logs", id}).err, HasSubstr("no such run"));
}

// Observed: the daemon and with it the client hung.
TEST_F(RunTest, ProgramThatIsNotThereIsNamed) {
  const CommandOutput run = Cairn({"run", "busybox", "/no/such/program"});
  EXPECT_EQ(run.exit_code, 127);
  EXPECT_THAT(run.err, HasSubstr("/no/such/program"));
}

// Observed: 1 for all of them, as for an image that is not there.
TEST_F(RunTest, ExitCodesAreThoseOfAShell) {
  const CommandOutput missing = Cairn({"run", "--rm", "busybox", "no-such-program"});
  EXPECT_EQ(missing.exit_code, 127);
  EXPECT_THAT(missing.err,
              HasSubstr("exec: \"no-such-program\": executable file not found in $PATH"));
  const CommandOutput data = Cairn({"run", "--rm", "busybox", "/etc/passwd"});
  EXPECT_EQ(data.exit_code, 126);
  EXPECT_THAT(data.err, HasSubstr("exec: \"/etc/passwd\": permission denied"));
  EXPECT_EQ(Cairn({"run", "-d", "busybox", "no-such-program"}).exit_code, 127);
  EXPECT_EQ(Cairn({"run", "--rm", "busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"}).exit_code,
            137);
  EXPECT_EQ(Cairn({"run", "--rm", "busybox", "sh", "-c", "exit 127"}).exit_code, 127);
}

// Observed: "remove record "image docker.io/library/none:latest": not found".
TEST_F(RunTest, RemovingAnImageThatIsNotThereNamesItAsItWasWritten) {
  const CommandOutput removed = Cairn({"rmi", "none"});
  EXPECT_EQ(removed.exit_code, 1);
  EXPECT_EQ(removed.err, "ERROR: no such image: none\n");
}

TEST_F(RunTest, RunThatCannotStartInTheBackgroundSaysWhy) {
  const CommandOutput run = Cairn({"run", "-d", "busybox", "/no/such/program"});
  EXPECT_EQ(run.exit_code, 127);
  EXPECT_THAT(run.err, HasSubstr("/no/such/program"));
  EXPECT_EQ(run.out, "");
}

TEST_F(RunTest, StopLetsTheCommandEndByItself) {
  const std::string id = RunServer(
      9, {"sh", "-c", "trap 'echo bye > /proc/1/fd/1; exit 0' TERM; while :; do sleep 0.1; done"});
  const absl::Time began = absl::Now();
  EXPECT_EQ(Cairn({"stop", id}).exit_code, 0);
  EXPECT_LT(absl::Now() - began, absl::Seconds(8));
}

}  // namespace
}  // namespace cairn::e2e

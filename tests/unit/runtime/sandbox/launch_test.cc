// The frames and messages between daemon and helper.
#include "runtime/sandbox/launch.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "runtime/base/fd.h"
#include "runtime/sandbox/channel.h"
#include "tests/unit/testing.h"

namespace cairn::sandbox {
namespace {

struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    left.Reset(fds[0]);
    right.Reset(fds[1]);
  }
  UniqueFd left;
  UniqueFd right;
};

LaunchRequest SampleRequest() {
  LaunchRequest request;
  request.process.args = {"sh", "-c", "true"};
  request.process.env = {"A=1", ""};
  request.process.user = "app:staff";
  request.process.terminal = true;
  request.process.terminal_rows = 24;
  request.insecure = true;
  request.rlimits = {{7, 1024, ~uint64_t{0}}};
  request.seccomp_filter = std::string("\0\1\2", 3);
  request.root.overlay.lowers = {"/a", "/b:c"};
  request.root.readonly = true;
  MountSpec mount;
  mount.kind = MountSpec::Kind::kFile;
  mount.destination = "/run/secret";
  mount.content = std::string("\0secret", 7);
  mount.uid = 4294967294;
  request.mounts = {mount, MountSpec()};
  request.devices = {{.path = "/dev/x", .type = DeviceNode::Type::kBlock, .gid = 7}};
  request.network = LaunchRequest::Network::kJoin;
  return request;
}

TEST(LaunchTest, RequestSurvivesTheWire) {
  LaunchRequest decoded;
  ASSERT_TRUE(Decode(Encode(SampleRequest()), decoded));
  EXPECT_EQ(Encode(decoded), Encode(SampleRequest()));
  EXPECT_EQ(decoded.process.args[2], "true");
  EXPECT_EQ(decoded.mounts[0].content, std::string("\0secret", 7));
  EXPECT_EQ(decoded.mounts[0].uid, 4294967294);
  EXPECT_EQ(decoded.rlimits[0].hard, ~uint64_t{0});
  EXPECT_EQ(decoded.network, LaunchRequest::Network::kJoin);
  EXPECT_EQ(decoded.devices[0].uid, DeviceNode::kOfProcess);
  EXPECT_EQ(decoded.devices[0].gid, 7u);
}

TEST(LaunchTest, EveryTruncationIsRefused) {
  const std::string whole = Encode(SampleRequest());
  for (size_t size = 0; size < whole.size(); ++size) {
    LaunchRequest decoded;
    EXPECT_FALSE(Decode(whole.substr(0, size), decoded)) << size;
  }
  LaunchRequest decoded;
  EXPECT_FALSE(Decode(whole + "x", decoded));
}

TEST(LaunchTest, LyingLengthsAreRefused) {
  // CVE-2021-43784: a length that overflows makes other bytes into configuration.
  const std::string whole = Encode(SampleRequest());
  for (size_t at = 0; at + 8 <= whole.size(); at += 8) {
    for (const char byte : {'\x7f', '\xff'}) {
      std::string bent = whole;
      bent[at + 7] = byte;
      LaunchRequest decoded;
      // Integers may be anything; what counts is that nothing beyond the bytes is touched.
      (void)Decode(bent, decoded);
    }
  }
  StubReport report;
  EXPECT_FALSE(Decode(std::string(8, '\xff'), report));
}

TEST(LaunchTest, ReportsSurviveTheWire) {
  StubReport stubs;
  stubs.stubs = {{"a/b", true, true, 1, 2, 3, -4}};
  StubReport stubs_back;
  ASSERT_TRUE(Decode(Encode(stubs), stubs_back));
  EXPECT_EQ(stubs_back.stubs[0].path, "a/b");
  EXPECT_EQ(stubs_back.stubs[0].after_nsec, -4);
  FailureReport failure{SetupStep::kMount, "mount /x", 127};
  FailureReport failure_back;
  ASSERT_TRUE(Decode(Encode(failure), failure_back));
  EXPECT_EQ(failure_back.step, SetupStep::kMount);
  EXPECT_EQ(failure_back.exit_code, 127);
}

TEST(ChannelTest, FrameCarriesBytesAndDescriptors) {
  Pair pair;
  ASSERT_OK_AND_ASSIGN(FdPair pipe, MakePipe());
  const std::string payload(1 << 20, 'x');
  // Larger than the socket's buffer, so somebody must read meanwhile.
  std::thread sender([&] {
    EXPECT_EQ(SendFrame(pair.left.get(), 7, payload, {pipe.read.get(), pipe.write.get()}), 0);
  });
  Frame frame;
  EXPECT_EQ(ReceiveFrame(pair.right.get(), frame), 0);
  sender.join();
  EXPECT_EQ(frame.type, 7);
  EXPECT_EQ(frame.payload, payload);
  ASSERT_EQ(frame.descriptors.size(), 2);
  for (const int fd : frame.descriptors) {
    EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
    ::close(fd);
  }
}

TEST(ChannelTest, EndOfStreamAndGonePeerAreTold) {
  Pair pair;
  pair.left.Reset();
  Frame frame;
  EXPECT_EQ(ReceiveFrame(pair.right.get(), frame), ENOTCONN);
  EXPECT_EQ(SendFrame(pair.right.get(), 1, ""), EPIPE);
}

TEST(ChannelTest, GarbageIsNoFrame) {
  Pair pair;
  const std::string garbage(64, '\xff');
  ASSERT_OK(WriteAll(pair.left.get(), garbage));
  Frame frame;
  EXPECT_EQ(ReceiveFrame(pair.right.get(), frame), EPROTO);
  EXPECT_EQ(SendFrame(pair.left.get(), 1, "", std::vector<int>(65, 0)), EMSGSIZE);
}

}  // namespace
}  // namespace cairn::sandbox

#include "runtime/base/byte_tunnel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <deque>

#include "runtime/base/fd.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"
#include "tests/unit/testing.h"

namespace cairn {
namespace {

// A stream whose peer is the test.
class FakeStream final : public DuplexStream {
 public:
  Incoming Read(std::string* chunk) override {
    MutexLock lock(mu_);
    while (incoming_.empty() && !ended_ && !closed_) {
      changed_.Wait(mu_);
    }
    if (closed_ || incoming_.empty()) {
      return closed_ ? Incoming::kBroken : Incoming::kEnd;
    }
    *chunk = std::move(incoming_.front());
    incoming_.pop_front();
    return Incoming::kData;
  }
  bool Write(string_view data) override {
    MutexLock lock(mu_);
    written_.append(data.data(), data.size());
    return !closed_;
  }
  void EndWrites() override {
    MutexLock lock(mu_);
    writes_ended_ = true;
    changed_.NotifyAll();
  }
  void Close() override {
    MutexLock lock(mu_);
    closed_ = true;
    changed_.NotifyAll();
  }

  void Send(std::string data) {
    MutexLock lock(mu_);
    incoming_.push_back(std::move(data));
    changed_.NotifyAll();
  }
  void End() {
    MutexLock lock(mu_);
    ended_ = true;
    changed_.NotifyAll();
  }
  std::string WrittenAtEnd() {
    MutexLock lock(mu_);
    while (!writes_ended_) {
      changed_.Wait(mu_);
    }
    return written_;
  }
  bool closed() {
    MutexLock lock(mu_);
    return closed_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::deque<std::string> incoming_;
  std::string written_;
  bool ended_ = false;
  bool closed_ = false;
  bool writes_ended_ = false;
};

class ByteTunnelTest : public ::testing::Test {
 protected:
  ByteTunnelTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    inner_.Reset(ends[0]);
    outer_.Reset(ends[1]);
    carrier_ = StartThread("carrier", [this] { CarryBytes(inner_.get(), stream_); });
  }
  ~ByteTunnelTest() override {
    if (carrier_.joinable()) {
      ::shutdown(inner_.get(), SHUT_RDWR);
      stream_.Close();
      carrier_.join();
    }
  }

  FakeStream stream_;
  UniqueFd inner_;
  UniqueFd outer_;
  std::thread carrier_;
};

TEST_F(ByteTunnelTest, StreamThatEndsLeavesTheOtherDirectionOpen) {
  stream_.Send("question");
  stream_.End();
  ASSERT_THAT(ReadAll(outer_.get(), 100), testing::IsOkAndHolds("question"));
  ASSERT_OK(WriteAll(outer_.get(), "answer"));
  outer_.Reset();
  EXPECT_EQ(stream_.WrittenAtEnd(), "answer");
  carrier_.join();
}

TEST_F(ByteTunnelTest, SocketThatEndsLeavesTheOtherDirectionOpen) {
  ASSERT_OK(WriteAll(outer_.get(), "question"));
  ::shutdown(outer_.get(), SHUT_WR);
  EXPECT_EQ(stream_.WrittenAtEnd(), "question");
  stream_.Send("answer");
  stream_.End();
  EXPECT_THAT(ReadAll(outer_.get(), 100), testing::IsOkAndHolds("answer"));
  carrier_.join();
}

TEST_F(ByteTunnelTest, BrokenStreamEndsTheSocketBothWays) {
  stream_.Close();
  EXPECT_THAT(ReadAll(outer_.get(), 100), testing::IsOkAndHolds(""));
  EXPECT_NE(::send(outer_.get(), "x", 1, MSG_NOSIGNAL), 1);
  carrier_.join();
}

// A peer that has gone while the stream goes on and on must not keep both alive.
TEST_F(ByteTunnelTest, SocketThatTakesNoMoreClosesTheStream) {
  outer_.Reset();
  stream_.Send("into the void");
  carrier_.join();
  EXPECT_TRUE(stream_.closed());
}

TEST_F(ByteTunnelTest, CarriesMoreThanTheSocketHolds) {
  const std::string chunk(1 << 20, 'x');
  for (int i = 0; i < 8; ++i) {
    stream_.Send(chunk);
  }
  stream_.End();
  ASSERT_OK_AND_ASSIGN(const std::string all, ReadAll(outer_.get(), 16 << 20));
  EXPECT_EQ(all.size(), 8u << 20);
}

}  // namespace
}  // namespace cairn

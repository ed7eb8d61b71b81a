#include "daemon/solver/progress.h"

#include "daemon/solver/log_clipper.h"
#include "daemon/solver/vertex_progress.h"
#include "tests/unit/testing.h"

namespace cairn::solver {
namespace {

using ::cairn::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FakeClock final : public Clock {
 public:
  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration duration) { now_ += duration; }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1000);
};

const Digest kA = Digest::Of("a");
const Digest kB = Digest::Of("b");

VertexEvent Announce(const Digest& digest, std::vector<Digest> inputs = {}) {
  VertexEvent event{.digest = digest};
  event.inputs = std::move(inputs);
  event.name = digest == kA ? "a" : "b";
  return event;
}

// "a", "a started", "a done", "a cached", "a failed: x".
std::vector<std::string> Texts(const ProgressBatch& batch) {
  std::vector<std::string> texts;
  for (const VertexEvent& event : batch.vertices) {
    std::string text = event.name;
    if (event.cached) {
      text += " cached";
    } else if (!event.error.empty()) {
      text += " failed: " + event.error;
    } else if (event.completed) {
      text += " done";
    } else if (event.started) {
      text += " started";
    }
    texts.push_back(text);
  }
  for (const StatusEvent& event : batch.statuses) {
    texts.push_back("status " + event.id + " " + std::to_string(event.current));
  }
  for (const LogEvent& event : batch.logs) {
    texts.push_back("log " + event.data);
  }
  return texts;
}

class ProgressTest : public ::testing::Test {
 protected:
  std::vector<std::string> Next(ProgressLog::Subscription& subscription) {
    auto batch = subscription.Next({});
    EXPECT_THAT(batch, IsOk());
    return Texts(*batch);
  }

  FakeClock clock_;
  std::shared_ptr<ProgressLog> log_ = std::make_shared<ProgressLog>(clock_);
  VertexProgress vertex_{clock_, {}};
};

TEST_F(ProgressTest, LateSubscriberReadsFromTheStart) {
  log_->Write(Announce(kA));
  vertex_.AddListener(log_, Announce(kA));
  vertex_.Start();
  vertex_.Log(1, "hello");
  vertex_.Finish("");
  log_->Close();
  const auto subscription = log_->Subscribe();
  EXPECT_THAT(Next(*subscription), ElementsAre("a", "a done", "log hello"));
  EXPECT_THAT(Next(*subscription), IsEmpty());
}

TEST_F(ProgressTest, UnreadEventsAreCoalescedAndLogsAreNot) {
  vertex_.AddListener(log_, Announce(kA));
  const auto subscription = log_->Subscribe();
  vertex_.Start();
  EXPECT_THAT(Next(*subscription), ElementsAre("a started"));
  for (int i = 1; i <= 3; ++i) {
    StatusEvent status{.id = "pull", .vertex = kA};
    status.current = i;
    vertex_.Status(status);
    vertex_.Log(2, std::to_string(i));
  }
  EXPECT_THAT(Next(*subscription), ElementsAre("status pull 3", "log 1", "log 2", "log 3"));
}

TEST_F(ProgressTest, InputsThatNeverRanWereCached) {
  log_->Write(Announce(kB, {kA}));
  log_->Write(Announce(kA));
  vertex_.AddListener(log_, Announce(kB, {kA}));
  vertex_.Start();
  const auto subscription = log_->Subscribe();
  EXPECT_THAT(Next(*subscription), ElementsAre("b", "a", "a cached", "b started"));
}

TEST_F(ProgressTest, ClosingEndsOpenVerticesAsCancelled) {
  vertex_.AddListener(log_, Announce(kA));
  vertex_.Start();
  log_->Close();
  vertex_.Finish("");
  const auto subscription = log_->Subscribe();
  EXPECT_THAT(Next(*subscription), ElementsAre("a failed: context canceled"));
}

TEST_F(ProgressTest, IntervalsOfOneVertexAreSeparate) {
  vertex_.AddListener(log_, Announce(kA));
  vertex_.Start();
  vertex_.Finish("");
  clock_.Advance(absl::Seconds(1));
  vertex_.Start();
  vertex_.Finish("");
  const auto subscription = log_->Subscribe();
  EXPECT_THAT(Next(*subscription), ElementsAre("a done", "a done"));
}

TEST_F(ProgressTest, ListenerThatJoinsLateIsToldWhatHappened) {
  vertex_.AddListener(log_, Announce(kA));
  vertex_.Start();
  vertex_.Log(1, "early");
  const auto other = std::make_shared<ProgressLog>(clock_);
  vertex_.AddListener(other, Announce(kB));
  vertex_.Log(1, "late");
  const auto subscription = other->Subscribe();
  EXPECT_THAT(Next(*subscription), ElementsAre("b started", "log early", "log late"));
}

TEST_F(ProgressTest, CancelledReaderReturns) {
  CancelSource source;
  source.Cancel();
  EXPECT_FALSE(log_->Subscribe()->Next(source.token()).ok());
}

TEST_F(ProgressTest, CountsAreOfVertices) {
  log_->Write(Announce(kB, {kA}));
  log_->Write(Announce(kA));
  vertex_.AddListener(log_, Announce(kA));
  vertex_.FinishCached();
  vertex_.Warn({.vertex = kA});
  const ProgressLog::Counts counts = log_->counts();
  EXPECT_EQ(counts.total, 2);
  EXPECT_EQ(counts.completed, 1);
  EXPECT_EQ(counts.cached, 1);
  EXPECT_EQ(counts.warnings, 1);
}

TEST(LogClipperTest, ClipsBySizeSaysSoOnceAndKeepsTheTail) {
  LogClipper clipper({.max_bytes = 10, .bytes_per_second = -1}, absl::UnixEpoch());
  EXPECT_EQ(clipper.Clip("12345678", absl::UnixEpoch()), "12345678");
  EXPECT_EQ(clipper.Clip("90ab", absl::UnixEpoch()),
            "90\n[output clipped, log limit 10B reached]\n");
  EXPECT_EQ(clipper.Clip("cd", absl::UnixEpoch()), "");
  EXPECT_EQ(clipper.TakeTail(), "90abcd");
  EXPECT_EQ(clipper.TakeTail(), "");
}

TEST(LogClipperTest, SpeedLimitLetsOutputPassAgainLater) {
  LogClipper clipper({.max_bytes = -1, .bytes_per_second = 1024}, absl::UnixEpoch());
  const std::string block(1000, 'x');
  EXPECT_EQ(clipper.Clip(block, absl::UnixEpoch()).size(), 1000u);
  EXPECT_EQ(clipper.Clip(block, absl::UnixEpoch()),
            std::string(24, 'x') + "\n[output clipped, log limit 1KiB/s reached]\n");
  EXPECT_EQ(clipper.Clip(block, absl::UnixEpoch() + absl::Seconds(5)).size(), 1000u);
}

TEST(LogClipperTest, DefaultNoticeNamesTwoMebibytes) {
  LogClipper clipper({.bytes_per_second = -1}, absl::UnixEpoch());
  const std::string out = clipper.Clip(std::string((2 << 20) + 1, 'x'), absl::UnixEpoch());
  EXPECT_NE(out.find("\n[output clipped, log limit 2MiB reached]\n"), std::string::npos);
}

}  // namespace
}  // namespace cairn::solver

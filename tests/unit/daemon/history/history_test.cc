#include "daemon/history/history.h"

#include <thread>

#include "runtime/base/thread_pool.h"
#include "tests/unit/testing.h"

namespace cairn::history {
namespace {

namespace api = moby::buildkit::v1;
using ::testing::ElementsAre;
using testing::IsOkAndHolds;

class FixedClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'000'000);
};

class HistoryTest : public ::testing::Test {
 protected:
  api::BuildHistoryRecord Record(const std::string& ref) const {
    api::BuildHistoryRecord record;
    record.set_ref(ref);
    record.mutable_createdat()->set_seconds(absl::ToUnixSeconds(clock_.now));
    return record;
  }
  void Build(const std::string& ref, const std::string& log = "") {
    api::BuildHistoryRecord record = Record(ref);
    history_.Start(record);
    record.mutable_completedat()->set_seconds(absl::ToUnixSeconds(clock_.now));
    ASSERT_OK(history_.Complete(record, log));
    clock_.now += absl::Seconds(1);
  }
  // "S:a" for a started event, and so on.
  std::vector<std::string> Events(api::BuildHistoryRequest request) {
    std::vector<std::string> events;
    request.set_earlyexit(true);
    EXPECT_OK(history_.Listen(request,
                              [&events](const History::Event& event) {
                                events.push_back(std::string(1, "SCD"[event.type()]) + ":" +
                                                 event.record().ref());
                                return true;
                              },
                              {}));
    return events;
  }

  testing::TempDir dir_;
  FixedClock clock_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  std::unique_ptr<blob::Database> database_ = *blob::Database::Open(dir_.path());
  History history_{*database_, clock_, log_, {absl::Hours(1), 2}};
};

TEST_F(HistoryTest, RunningBuildsComeBeforeFinishedOnes) {
  Build("a");
  Build("b");
  history_.Start(Record("c"));

  EXPECT_THAT(Events({}), ElementsAre("S:c", "C:a", "C:b"));

  api::BuildHistoryRequest active;
  active.set_activeonly(true);
  EXPECT_THAT(Events(active), ElementsAre("S:c"));
  api::BuildHistoryRequest one;
  one.set_ref("b");
  EXPECT_THAT(Events(one), ElementsAre("C:b"));
  one.set_ref("unknown");
  EXPECT_THAT(Events(one), ElementsAre());
  api::BuildHistoryRequest newest;
  newest.set_limit(1);
  EXPECT_THAT(Events(newest), ElementsAre("S:c"));
}

// The error in full, the trace and attestations go with their record, as the log does.
TEST_F(HistoryTest, WhatARecordNamesIsReadUntilItIsDeleted) {
  api::BuildHistoryRecord record = Record("a");
  history_.Start(record);
  *record.mutable_trace() = History::Describe("type", "trace");
  *record.mutable_externalerror() = History::Describe("type", "error");
  *record.mutable_result()->add_attestations() = History::Describe("type", "attestation");
  *(*record.mutable_results())["linux/amd64"].add_attestations() =
      History::Describe("type", "another");
  ASSERT_OK(history_.Complete(record, "", {"trace", "error", "attestation", "another"}));
  for (const char* blob : {"trace", "error", "attestation", "another"}) {
    EXPECT_THAT(history_.ReadBlob(Digest::Of(blob)),
                IsOkAndHolds(::testing::Optional(std::string(blob))));
  }

  api::UpdateBuildHistoryRequest gone;
  gone.set_ref("a");
  gone.set_delete_(true);
  ASSERT_OK(history_.Update(gone));
  for (const char* blob : {"trace", "error", "attestation", "another"}) {
    EXPECT_THAT(history_.ReadBlob(Digest::Of(blob)), IsOkAndHolds(std::nullopt));
  }
}

TEST_F(HistoryTest, LogsAreReplayedAsTheyWere) {
  api::StatusResponse response;
  response.add_vertexes()->set_name("v");
  const std::string bytes = response.SerializeAsString();
  const std::string log =
      std::string(1, static_cast<char>(bytes.size())) + std::string(3, '\0') + bytes;
  Build("a", log + log);

  int messages = 0;
  EXPECT_THAT(history_.Replay("a",
                              [&messages](const api::StatusResponse& replayed) {
                                EXPECT_EQ(replayed.vertexes(0).name(), "v");
                                ++messages;
                                return true;
                              }),
              IsOkAndHolds(true));
  EXPECT_EQ(messages, 2);
  EXPECT_THAT(history_.Replay("b", nullptr), IsOkAndHolds(false));
  ASSERT_OK_AND_ASSIGN(const auto blob, history_.ReadBlob(Digest::Of(log + log)));
  EXPECT_EQ(blob, log + log);
}

TEST_F(HistoryTest, OldRecordsGoButPinnedOnesStay) {
  Build("pinned", "log");
  api::UpdateBuildHistoryRequest pin;
  pin.set_ref("pinned");
  pin.set_pinned(true);
  ASSERT_OK(history_.Update(pin));
  Build("old");
  clock_.now += absl::Hours(2);
  Build("new1");
  Build("new2");
  Build("new3");

  EXPECT_THAT(Events({}), ElementsAre("C:pinned", "C:new1", "C:new2", "C:new3"));
}

TEST_F(HistoryTest, RecordsOfAnEarlierRunGoToo) {
  Build("old1");
  Build("old2");
  clock_.now += absl::Hours(2);
  History later(*database_, clock_, log_, {absl::Hours(1), 2});
  api::BuildHistoryRecord record = Record("new");
  record.mutable_completedat()->set_seconds(absl::ToUnixSeconds(clock_.now));

  ASSERT_OK(later.Complete(record, ""));

  EXPECT_THAT(Events({}), ElementsAre("C:old2", "C:new"));
}

TEST_F(HistoryTest, DeletedRecordsTakeTheirLogsAlong) {
  Build("a", "0123");
  api::UpdateBuildHistoryRequest remove;
  remove.set_ref("a");
  remove.set_delete_(true);

  ASSERT_OK(history_.Update(remove));

  EXPECT_THAT(Events({}), ElementsAre());
  EXPECT_THAT(history_.ReadBlob(Digest::Of("0123")), IsOkAndHolds(std::nullopt));
  EXPECT_EQ(history_.Update(remove).code(), absl::StatusCode::kNotFound);
}

TEST_F(HistoryTest, FollowersSeeWhatHappensUntilTheyLeave) {
  CancelSource cancel;
  std::vector<std::string> seen;
  std::thread follower = StartThread("follower", [this, &cancel, &seen] {
    const Status left = history_.Listen(
        {},
        [&seen](const History::Event& event) {
          seen.push_back(event.record().ref());
          return event.record().ref() != "last";
        },
        cancel.token());
    EXPECT_OK(left);
  });
  Build("first");
  Build("last");
  follower.join();

  EXPECT_EQ(seen.back(), "last");
}

TEST_F(HistoryTest, CancelledFollowersLeave) {
  CancelSource cancel;
  cancel.Cancel();
  EXPECT_EQ(history_
                .Listen(
                    {}, [](const History::Event&) { return true; }, cancel.token())
                .code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace cairn::history

#include "daemon/control/status_encoder.h"

#include "daemon/control/timestamps.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

solver::VertexEvent Vertex(const std::string& name, std::optional<absl::Time> started) {
  solver::VertexEvent event{.digest = Digest::Of(name)};
  event.name = name;
  event.started = started;
  return event;
}

TEST(StatusEncoderTest, UnstartedVerticesComeFirstThenByStart) {
  solver::ProgressBatch batch;
  batch.vertices = {Vertex("late", absl::FromUnixSeconds(20)),
                    Vertex("early", absl::FromUnixSeconds(10)), Vertex("idle", std::nullopt)};

  const auto responses = EncodeProgress(batch);

  ASSERT_EQ(responses.size(), 1U);
  EXPECT_EQ(responses[0].vertexes(0).name(), "idle");
  EXPECT_FALSE(responses[0].vertexes(0).has_started());
  EXPECT_EQ(responses[0].vertexes(1).name(), "early");
  EXPECT_EQ(responses[0].vertexes(2).started().seconds(), 20);
}

TEST(StatusEncoderTest, LargeLogsAreSplit) {
  solver::ProgressBatch batch;
  for (int i = 0; i < 3; ++i) {
    batch.logs.push_back(
        {Digest::Of("v"), absl::FromUnixSeconds(3 - i), 1, std::string(900 << 10, 'a' + i)});
  }

  const auto responses = EncodeProgress(batch);

  std::string all;
  for (const auto& response : responses) {
    EXPECT_LE(response.ByteSizeLong(), size_t{(1 << 20) + 4096});
    for (const auto& log : response.logs()) {
      all += log.msg();
    }
  }
  EXPECT_GT(responses.size(), 2U);
  EXPECT_EQ(all.size(), size_t{3 * (900 << 10)});
  EXPECT_EQ(all.front(), 'c');  // the oldest
}

TEST(TimestampsTest, HeaderIsRfc3339InUtc) {
  EXPECT_EQ(FormatCurrentTime(absl::FromUnixNanos(1'500'000'001)),
            "1970-01-01T00:00:01.500000001Z");
}

TEST(TimestampsTest, TimesSurviveTheWire) {
  const absl::Time time = absl::FromUnixNanos(1'700'000'000'123'456'789);
  google::protobuf::Timestamp wire;
  EncodeTime(time, &wire);
  EXPECT_EQ(DecodeTime(wire), time);
}

}  // namespace
}  // namespace cairn::control

#include "daemon/control/build_trace.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

TEST(BuildTraceTest, OneSpanForTheBuildAndOneForEachVertex) {
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);
  solver::ProgressBatch batch;
  batch.vertices.push_back({.digest = Digest::Of("a")});
  batch.vertices.back().name = "RUN a";
  batch.vertices.back().started = start + absl::Seconds(1);
  batch.vertices.back().completed = start + absl::Seconds(2);
  batch.vertices.back().error = "exit code: 1";
  batch.vertices.push_back({.digest = Digest::Of("never ran")});

  const std::string trace =
      EncodeTrace({"ref", start, start + absl::Seconds(3), "exit code: 1"}, {batch});

  const std::vector<std::string> lines = absl::StrSplit(trace, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u);
  const auto build = nlohmann::json::parse(lines[0]);
  const auto vertex = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(build["ChildSpanCount"], 1);
  EXPECT_EQ(vertex["Name"], "RUN a");
  EXPECT_EQ(vertex["Parent"]["SpanID"], build["SpanContext"]["SpanID"]);
  EXPECT_EQ(vertex["SpanContext"]["TraceID"], build["SpanContext"]["TraceID"]);
  EXPECT_EQ(vertex["SpanContext"]["TraceID"].get<std::string>().size(), 32u);
  EXPECT_EQ(vertex["Status"]["Code"], "Error");
  EXPECT_EQ(vertex["StartTime"], "2023-11-14T22:13:21Z");
}

}  // namespace
}  // namespace cairn::control

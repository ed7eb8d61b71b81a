#include "daemon/history/record_filter.h"

#include "proto/rpc_status.pb.h"
#include "tests/unit/testing.h"

namespace cairn::history {
namespace {

moby::buildkit::v1::BuildHistoryRecord Record(int64_t started, int64_t completed, int code) {
  moby::buildkit::v1::BuildHistoryRecord record;
  record.set_ref("abc");
  record.mutable_createdat()->set_seconds(started);
  if (completed > 0) {
    record.mutable_completedat()->set_seconds(completed);
  }
  if (code != 0) {
    record.mutable_error()->set_code(code);
  }
  (*record.mutable_frontendattrs())["vcs:source"] = "https://git.example/a.git";
  return record;
}

bool Matches(const std::vector<std::string>& filters,
             const moby::buildkit::v1::BuildHistoryRecord& record) {
  const auto filter = RecordFilter::Parse(filters, absl::FromUnixSeconds(1000));
  EXPECT_OK(filter);
  return filter.ok() && filter->Matches(record);
}

TEST(RecordFilterTest, StatusFollowsFromErrorAndCompletion) {
  EXPECT_TRUE(Matches({"status==running"}, Record(1, 0, 0)));
  EXPECT_TRUE(Matches({"status==completed"}, Record(1, 2, 0)));
  EXPECT_TRUE(Matches({"status==error"}, Record(1, 2, 2)));
  EXPECT_TRUE(Matches({"status==canceled"}, Record(1, 2, 1)));
  EXPECT_FALSE(Matches({"status!=error"}, Record(1, 2, 2)));
}

TEST(RecordFilterTest, EntriesAreAlternativesAndTermsAreNot) {
  EXPECT_TRUE(Matches({}, Record(1, 2, 0)));
  EXPECT_TRUE(Matches({"ref==x", "ref==abc"}, Record(1, 2, 0)));
  EXPECT_FALSE(Matches({"ref==abc,status==error"}, Record(1, 2, 0)));
  EXPECT_TRUE(Matches({"repository~=example"}, Record(1, 2, 0)));
}

TEST(RecordFilterTest, TimesAndDurationsAreOrdered) {
  EXPECT_TRUE(Matches({"duration>5s"}, Record(10, 20, 0)));
  EXPECT_FALSE(Matches({"duration<=5s"}, Record(10, 20, 0)));
  EXPECT_TRUE(Matches({"startedAt>=1970-01-01T00:00:10Z"}, Record(10, 20, 0)));
  EXPECT_TRUE(Matches({"startedAt<10m"}, Record(10, 20, 0)));  // before ten minutes ago
  EXPECT_FALSE(Matches({"completedAt>1s"}, Record(10, 0, 0)));
}

TEST(RecordFilterTest, MalformedFiltersAreRefused) {
  for (const char* text :
       {"", "ref", "nope==x", "ref>x", "ref~=(", "duration==x", "startedAt>x", "duration~=5s"}) {
    EXPECT_EQ(RecordFilter::Parse({text}, absl::Now()).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

}  // namespace
}  // namespace cairn::history

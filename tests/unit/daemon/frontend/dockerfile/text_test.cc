#include "daemon/frontend/dockerfile/text.h"

#include "tests/unit/testing.h"

namespace cairn::dockerfile {
namespace {

using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;

TEST(TextTest, SplitsAtBlanks) {
  EXPECT_THAT(SplitBlanks("a \t b c", 2), ElementsAre("a", "b c"));
  EXPECT_THAT(SplitBlanks("a", 2), ElementsAre("a"));
  EXPECT_THAT(SplitBlanks("a b c", 0), ElementsAre("a", "b", "c"));
}

TEST(TextTest, ParsesDurations) {
  EXPECT_THAT(ParseDuration("1h2m3.5s"), IsOkAndHolds(absl::Milliseconds(3723500)));
  EXPECT_THAT(ParseDuration("5ms"), IsOkAndHolds(absl::Milliseconds(5)));
  EXPECT_THAT(ParseDuration("0"), IsOkAndHolds(absl::ZeroDuration()));
  EXPECT_THAT(ParseDuration("-1s"), IsOkAndHolds(-absl::Seconds(1)));
  EXPECT_THAT(ParseDuration("5"),
              StatusIs(absl::StatusCode::kUnknown, "time: missing unit in duration \"5\""));
  EXPECT_THAT(ParseDuration("5x"),
              StatusIs(absl::StatusCode::kUnknown, "time: unknown unit \"x\" in duration \"5x\""));
  EXPECT_THAT(ParseDuration("x"),
              StatusIs(absl::StatusCode::kUnknown, "time: invalid duration \"x\""));
}

TEST(TextTest, ParsesMemorySizes) {
  EXPECT_THAT(ParseMemorySize("64m"), IsOkAndHolds(64 << 20));
  EXPECT_THAT(ParseMemorySize("1.5KiB"), IsOkAndHolds(1536));
  EXPECT_THAT(ParseMemorySize("100"), IsOkAndHolds(100));
  EXPECT_THAT(ParseMemorySize("2 GB"), IsOkAndHolds(int64_t{2} << 30));
  EXPECT_FALSE(ParseMemorySize("m").ok());
  EXPECT_FALSE(ParseMemorySize("1x").ok());
}

TEST(TextTest, SuggestsNearNames) {
  EXPECT_EQ(Suggest("bulid", {"base", "build"}, true), "build");
  EXPECT_EQ(Suggest("FNTRYPOINT", {"ENTRYPOINT", "RUN"}, false), "ENTRYPOINT");
  EXPECT_EQ(Suggest("entrypiont", {"ENTRYPOINT"}, false), "entrypoint");
  EXPECT_EQ(Suggest("build", {"build", "built"}, true), "");
  EXPECT_EQ(Suggest("zzzzzz", {"build"}, true), "");
}

TEST(TextTest, QuotesLikeGo) { EXPECT_EQ(Quote("a\"b\\\n\x01"), "\"a\\\"b\\\\\\n\\x01\""); }

}  // namespace
}  // namespace cairn::dockerfile

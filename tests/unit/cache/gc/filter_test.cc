#include "cache/gc/filter.h"

#include "tests/unit/testing.h"

namespace cairn::gc {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

bool Matches(const std::vector<std::string>& expressions, const Record& record) {
  auto filter = Filter::Parse(expressions);
  EXPECT_OK(filter);
  return filter.ok() && filter->Matches(record);
}

TEST(FilterTest, NoExpressionMatchesEverything) {
  EXPECT_TRUE(Matches({}, Record()));
  EXPECT_TRUE(Matches({""}, Record()));
}

TEST(FilterTest, OperatorsCompareFields) {
  const Record record = {
      .id = "abc", .type = RecordType::kCacheMount, .description = "cached mount /root"};
  EXPECT_TRUE(Matches({"type==exec.cachemount"}, record));
  EXPECT_FALSE(Matches({"type==regular"}, record));
  EXPECT_TRUE(Matches({"type!=regular"}, record));
  EXPECT_TRUE(Matches({"description~=mount"}, record));
  EXPECT_TRUE(Matches({"description~=/^cached .*t$/"}, record));
  EXPECT_FALSE(Matches({"description~=|^mount|"}, record));
  EXPECT_TRUE(Matches({"description==\"cached mount /root\""}, record));
  EXPECT_TRUE(Matches({"id==abc"}, record));
  EXPECT_FALSE(Matches({"id==\"\""}, Record()));
  EXPECT_TRUE(Matches({"id!=x"}, Record()));
}

TEST(FilterTest, FlagsAreTestedForPresence) {
  const Record used = {.is_mutable = true, .in_use = true, .shared = true};
  for (const char* flag : {"inuse", "mutable", "shared"}) {
    EXPECT_TRUE(Matches({flag}, used)) << flag;
    EXPECT_FALSE(Matches({flag}, Record())) << flag;
  }
  for (const char* flag : {"immutable", "private"}) {
    EXPECT_FALSE(Matches({flag}, used)) << flag;
    EXPECT_TRUE(Matches({flag}, Record())) << flag;
  }
}

TEST(FilterTest, ParentsAreJoined) {
  const Record record = {.parents = {"a", "b"}};
  EXPECT_TRUE(Matches({"parents==\"a;b\""}, record));
  EXPECT_TRUE(Matches({"parents~=b"}, record));
  EXPECT_FALSE(Matches({"parents"}, Record()));
}

TEST(FilterTest, CommasAreAndExpressionsAreOr) {
  const Record record = {.id = "abc", .in_use = true};
  EXPECT_TRUE(Matches({"id==abc,inuse"}, record));
  EXPECT_FALSE(Matches({"id==abc,mutable"}, record));
  EXPECT_TRUE(Matches({"id==x", "inuse"}, record));
  EXPECT_FALSE(Matches({"id==x", "mutable"}, record));
}

TEST(FilterTest, UnknownFieldIsAbsent) {
  EXPECT_FALSE(Matches({"color"}, Record()));
  EXPECT_FALSE(Matches({"color==red"}, Record()));
  EXPECT_TRUE(Matches({"color!=red"}, Record()));
}

TEST(FilterTest, MalformedExpressionIsNamedWithThePlace) {
  for (const char* bad : {"==x", "type==", "type=x", "type==a,", "a,,b", "type==\"open",
                          "type~=/[/", "type==a b", ",", "type ==a"}) {
    EXPECT_THAT(Filter::Parse({bad}).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("filters: parse error")))
        << bad;
  }
  EXPECT_THAT(Filter::Parse({"type=x"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[type >|=|< x]")));
}

}  // namespace
}  // namespace cairn::gc

#include "runtime/base/fields.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/testing.h"

namespace cairn {
namespace {

using ::cairn::testing::IsOkAndHolds;
using ::testing::ElementsAre;

TEST(FieldsTest, SplitsAtCommasOutsideQuotes) {
  EXPECT_THAT(SplitFields("a=1,\"b=2,3\",c"), IsOkAndHolds(ElementsAre("a=1", "b=2,3", "c")));
  EXPECT_THAT(SplitFields("\"a\"\"b\""), IsOkAndHolds(ElementsAre("a\"b")));
  EXPECT_THAT(SplitFields(""), IsOkAndHolds(ElementsAre("")));
}

TEST(FieldsTest, RefusesQuotesThatAreNotClosed) {
  EXPECT_FALSE(SplitFields("\"a").ok());
  EXPECT_FALSE(SplitFields("a\"b").ok());
}

}  // namespace
}  // namespace cairn

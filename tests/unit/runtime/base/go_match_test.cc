#include "runtime/base/go_match.h"

#include "tests/unit/testing.h"

namespace cairn {
namespace {

using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::StatusIs;

TEST(GoMatchTest, MatchesWholeNames) {
  struct Case {
    const char* pattern;
    const char* name;
    bool match;
  };
  for (const Case& test : {
           Case{"abc", "abc", true},
           {"*", "abc", true},
           {"*c", "abc", true},
           {"a*", "a", true},
           {"a*", "ab/c", false},
           {"a*/b", "abc/b", true},
           {"a*/b", "a/c/b", false},
           {"a*b*c*d*e*/f", "axbxcxdxexxx/f", true},
           {"a*b*c*d*e*/f", "axbxcxdxexxx/fff", false},
           {"a*b?c*x", "abxbbxdbxebxczzx", true},
           {"a*b?c*x", "abxbbxdbxebxczzy", false},
           {"ab[c]", "abc", true},
           {"ab[b-d]", "abc", true},
           {"ab[e-g]", "abc", false},
           {"ab[^b-d]", "abc", false},
           {"ab[^e-g]", "abc", true},
           {"a\\*b", "a*b", true},
           {"a\\*b", "ab", false},
           {"a?b",
            "a\xE2\x98\xBA"
            "b",
            true},
           {"a[^a]b",
            "a\xE2\x98\xBA"
            "b",
            true},
           {"a???b",
            "a\xE2\x98\xBA"
            "b",
            false},
           {"a?b", "a/b", false},
           {"a*b", "a/b", false},
           {"[\\]a]", "]", true},
           {"[\\-x]", "-", true},
           {"*x", "xxx", true},
           {"", "", true},
           {"", "x", false},
       }) {
    EXPECT_THAT(GoMatch(test.pattern, test.name), IsOkAndHolds(test.match))
        << test.pattern << " " << test.name;
  }
}

TEST(GoMatchTest, RefusesMalformedPatternsWhateverTheName) {
  for (const char* pattern :
       {"[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "a\\", "[a"}) {
    EXPECT_THAT(GoMatch(pattern, "zzz"),
                StatusIs(absl::StatusCode::kInvalidArgument, "syntax error in pattern"))
        << pattern;
  }
}

TEST(CleanPathTest, GivesTheShortestPath) {
  EXPECT_EQ(CleanPath(""), ".");
  EXPECT_EQ(CleanPath("a//b/./c/.."), "a/b");
  EXPECT_EQ(CleanPath("/../a/"), "/a");
  EXPECT_EQ(CleanPath("../../a"), "../../a");
  EXPECT_EQ(CleanPath("a/.."), ".");
  EXPECT_EQ(CleanPath("///"), "/");
  EXPECT_EQ(JoinPath("/a", "../b"), "/b");
  EXPECT_EQ(JoinPath("", "b/"), "b");
  EXPECT_EQ(JoinPath("", ""), "");
}

TEST(HasGoWildcardTest, IgnoresEscapes) {
  EXPECT_TRUE(HasGoWildcard("a*"));
  EXPECT_TRUE(HasGoWildcard("a[b]"));
  EXPECT_FALSE(HasGoWildcard("a\\*"));
}

}  // namespace
}  // namespace cairn

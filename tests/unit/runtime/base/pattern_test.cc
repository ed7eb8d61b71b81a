#include "runtime/base/pattern.h"

#include "tests/unit/testing.h"

namespace cairn {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;

PatternMatcher Matcher(const std::vector<std::string>& patterns) {
  StatusOr<PatternMatcher> matcher = PatternMatcher::Create(patterns);
  EXPECT_OK(matcher);
  return *std::move(matcher);
}

TEST(PatternTest, MatchesSinglePatterns) {
  struct Case {
    const char* pattern;
    const char* path;
    bool match;
  };
  for (const Case& test : {
           Case{"**", "file", true},
           {"**", "dir/file", true},
           {"**/", "dir/file", true},
           {"**/**", "dir/file", true},
           {"dir/**", "dir/file", true},
           {"dir/**", "dir/sub/file", true},
           {"dir/**", "dir", false},
           {"dir/**", "other/file", false},
           {"**/dir", "dir", true},
           {"**/dir", "a/dir", true},
           {"**/dir", "a/dir/file", true},
           {"**/dir", "a/mydir", false},
           {"**file", "file", true},
           {"**file", "myfile", true},
           {"**file", "dir/myfile", true},
           {"**/file", "dir/file", true},
           {"**/file", "dir/file.txt", false},
           {"**/*.txt", "dir/file.txt", true},
           {"**/*.txt", "file.txt", true},
           {"**/f.txt", "dir/dir2/f.txt", true},
           {"a/**/b", "a/b", true},
           {"a/**/b", "a/x/y/b", true},
           {"a/**/b", "a/xb", false},
           {"a**/x", "abc/x", true},
           {"a**", "abc/x", true},
           {"*.go", "main.go", true},
           {"*.go", "pkg/main.go", false},
           {"pkg", "pkg/main.go", true},
           {"pkg", "a/pkg", false},
           {"/pkg", "pkg", false},
           {"pk?", "pkg/main.go", true},
           {"[a-c]d", "bd", true},
           {"a\\*", "a*", true},
           {"a\\*", "ab", false},
           {"a.b", "axb", false},
           {"x(1)+{2}|$", "x(1)+{2}|$", true},
           {"\xC3\xA9*", "\xC3\xA9t\xC3\xA9", true},
           {"?t?", "\xC3\xA9t\xC3\xA9", true},
       }) {
    EXPECT_EQ(Matcher({test.pattern}).Matches(test.path), test.match)
        << test.pattern << " " << test.path;
  }
}

TEST(PatternTest, LastMatchDecides) {
  EXPECT_FALSE(Matcher({"*", "!keep"}).Matches("keep"));
  EXPECT_TRUE(Matcher({"*", "!keep"}).Matches("drop"));
  EXPECT_FALSE(Matcher({"dir", "!dir/keep"}).Matches("dir/keep/file"));
  EXPECT_TRUE(Matcher({"dir", "!dir/keep"}).Matches("dir/other"));
  EXPECT_TRUE(Matcher({"!keep", "*"}).Matches("keep"));
  EXPECT_TRUE(Matcher({"a", "!a/b", "a/b/c"}).Matches("a/b/c"));
  EXPECT_FALSE(Matcher({"a", "!a/b", "a/b/c"}).Matches("a/b/d"));
}

TEST(PatternTest, WalkGivesTheSameAnswerAsWholePaths) {
  const PatternMatcher matcher = Matcher({"a", "!a/b", "**/*.tmp", "!a/b/keep.tmp"});
  for (const std::string path : {"a/b/c", "a/x/y", "a/b/x.tmp", "a/b/keep.tmp", "z/q.tmp"}) {
    PatternMatcher::Parent parent;
    bool matched = false;
    for (size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
      PatternMatcher::Parent self;
      matched = matcher.MatchesBelow(path.substr(0, slash), parent, &self);
      parent = self;
      if (slash == std::string::npos) {
        break;
      }
    }
    EXPECT_EQ(matched, matcher.Matches(path)) << path;
  }
}

TEST(PatternTest, HostilePatternsTakeLinearTime) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) {
    pattern += "**/*a";
  }
  EXPECT_FALSE(Matcher({pattern}).Matches(std::string(4000, 'a') + "b"));
}

TEST(PatternTest, RefusesMalformedPatterns) {
  EXPECT_THAT(PatternMatcher::Create({"!"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "illegal exclusion pattern: \"!\""));
  EXPECT_THAT(PatternMatcher::Create({"["}),
              StatusIs(absl::StatusCode::kInvalidArgument, "syntax error in pattern"));
  EXPECT_TRUE(Matcher({"", "  "}).empty());
}

TEST(PatternTest, ReadsIgnoreFiles) {
  EXPECT_THAT(
      ReadIgnorePatterns("\xEF\xBB\xBF"
                         "# comment\n"
                         "node_modules/\r\n"
                         "  /abs  \n"
                         "\n"
                         " # not a comment\n"
                         "!/keep/../kept\n"
                         "! spaced\n"
                         "./a//b\n"
                         "/\n"
                         "!"),
      ElementsAre("node_modules", "abs", "# not a comment", "!kept", "!spaced", "a/b", "/", "!"));
}

}  // namespace
}  // namespace cairn

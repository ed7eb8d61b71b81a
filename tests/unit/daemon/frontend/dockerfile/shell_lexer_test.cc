#include "daemon/frontend/dockerfile/shell_lexer.h"

#include "absl/strings/str_cat.h"
#include "tests/unit/testing.h"

namespace cairn::dockerfile {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Environment TestEnvironment() {
  return Environment::FromList({"A=alpha", "EMPTY=", "PATH=/usr/local/bin", "FILE=archive.tar.gz",
                                "R=ref$0x", "U=\xC3\xA9t\xC3\xA9", "Q=a b  c"});
}

std::string Expand(string_view word, const LexOptions& options = {}) {
  const StatusOr<LexResult> result = ExpandWord(word, TestEnvironment(), options);
  return result.ok() ? result->text : absl::StrCat("error: ", result.status().message());
}

TEST(ShellLexerTest, ExpandsVariables) {
  struct Case {
    const char* word;
    const char* text;
  };
  for (const Case& test : {
           Case{"hello", "hello"},
           {"", ""},
           {"$A", "alpha"},
           {"x${A}y", "xalphay"},
           {"$A$A", "alphaalpha"},
           {"$NONE", ""},
           {"${NONE}", ""},
           {"a$", "a$"},
           {"$", "$"},
           {"$,x", "$,x"},
           {"$1$22x", "x"},
           {"$@$*$#$?$-$!", ""},
           {"\\$A", "$A"},
           {"\\\\$A", "\\alpha"},
           {"a\\", "a"},
           {"${A:-w}", "alpha"},
           {"${NONE:-w}", "w"},
           {"${EMPTY:-w}", "w"},
           {"${EMPTY-w}", ""},
           {"${NONE-w}", "w"},
           {"${NONE:-$A}", "alpha"},
           {"${NONE:-${NONE:-${A}z}}", "alphaz"},
           {"${NONE:-a:b}", "a:b"},
           {"${NONE:-'}'}", "}"},
           {"${NONE:-\\}}", "}"},
           {"${A:+w}", "w"},
           {"${EMPTY:+w}", ""},
           {"${EMPTY+w}", "w"},
           {"${NONE+w}", ""},
           {"${A:?w}", "alpha"},
           {"${EMPTY?w}", ""},
           {"${A:-}", "alpha"},
           {"${FILE#a}", "rchive.tar.gz"},
           {"${FILE#*.}", "tar.gz"},
           {"${FILE##*.}", "gz"},
           {"${FILE%.*}", "archive.tar"},
           {"${FILE%%.*}", "archive"},
           {"${FILE%.??}", "archive.tar"},
           {"${FILE#x*}", "archive.tar.gz"},
           {"${FILE##*}", ""},
           {"${FILE%*}", "archive.tar.gz"},
           {"${FILE/a/X}", "Xrchive.tar.gz"},
           {"${FILE//a/X}", "Xrchive.tXr.gz"},
           {"${FILE/.*/}", "archive"},
           {"${FILE//[a]/X}", "archive.tar.gz"},
           {"${PATH/\\//_}", "_usr/local/bin"},
           {"${PATH//\\//_}", "_usr_local_bin"},
           {"${FILE//a/<$0>}", "<>rchive.t<>r.gz"},
           {"${FILE//a/<\\$0>}", "<\\a>rchive.t<\\a>r.gz"},
           {"${FILE/${NONE:-a}/$A}", "alpharchive.tar.gz"},
           {"${U#?}", "t\xC3\xA9"},
           {"${U%?}", "\xC3\xA9t"},
           {"${U//\xC3\xA9/e}", "ete"},
       }) {
    EXPECT_EQ(Expand(test.word), test.text) << test.word;
  }
}

TEST(ShellLexerTest, TreatsQuotesLikeTheShell) {
  struct Case {
    const char* word;
    const char* text;
  };
  for (const Case& test : {
           Case{"'$A'", "$A"},
           {"\"$A\"", "alpha"},
           {"\"'$A'\"", "'alpha'"},
           {"'\"$A\"'", "\"$A\""},
           {"a'b'c", "abc"},
           {"''", ""},
           {"\"a\\\"b\"", "a\"b"},
           {"\"a\\$A\"", "a$A"},
           {"\"a\\b\"", "a\\b"},
           {"\"a\\\\b\"", "a\\b"},
           {"'a\\b'", "a\\b"},
           {"a\\'b", "a'b"},
           {"\"${NONE:-\"x y\"}\"", "x y"},
       }) {
    EXPECT_EQ(Expand(test.word), test.text) << test.word;
  }
  EXPECT_EQ(Expand("`$A \"`$A\" \\x", {.escape = '`'}), "$A $A \\x");
  EXPECT_EQ(Expand("'$A' \"$A\" \\$A", {.ignore_quotes = true}), "'alpha' \"alpha\" $A");
  EXPECT_EQ(Expand("'a' \"$A\"", {.raw_quotes = true}), "'a' \"alpha\"");
  EXPECT_EQ(Expand("a\\ b", {.raw_escapes = true}), "a\\ b");
  EXPECT_EQ(Expand("$NONE ${NONE} ${NONE:-x} $A", {.keep_unset = true}),
            "$NONE ${NONE} ${NONE:-x} alpha");
}

TEST(ShellLexerTest, RefusesBadSubstitutions) {
  struct Case {
    const char* word;
    const char* message;
  };
  for (const Case& test : {
           Case{"${", "syntax error: missing '}'"},
           {"${}", "syntax error: bad substitution"},
           {"${:x}", "syntax error: bad substitution"},
           {"${{A}", "syntax error: bad substitution"},
           {"${A:-x", "syntax error: missing '}'"},
           {"${A/x", "syntax error: missing '/' in ${}"},
           {"${A/x/y", "syntax error: missing '}'"},
           {"${A:#x}", "unsupported modifier (:#) in substitution"},
           {"${A:xx}", "unsupported modifier (:x) in substitution"},
           {"${A^x}", "unsupported modifier (^) in substitution"},
           {"${NONE:?}", "NONE: is not allowed to be unset"},
           {"${NONE:?must be set}", "NONE: must be set"},
           {"${EMPTY:?}", "EMPTY: is not allowed to be empty"},
           {"${A#\\x}", "invalid pattern (\\x) in substitution: invalid escape '\\x'"},
           {"'a", "unexpected end of statement while looking for matching single-quote"},
           {"\"a", "unexpected end of statement while looking for matching double-quote"},
       }) {
    EXPECT_THAT(
        ExpandWord(test.word, TestEnvironment()),
        StatusIs(absl::StatusCode::kUnknown, ::testing::AllOf(HasSubstr("failed to process "),
                                                              ::testing::EndsWith(test.message))))
        << test.word;
  }
}

TEST(ShellLexerTest, SplitsWordsAtUnquotedBlanks) {
  const auto words = [](string_view text) {
    StatusOr<LexResult> result = ExpandWord(text, TestEnvironment());
    EXPECT_OK(result);
    return result->words;
  };
  EXPECT_THAT(words("a  b\tc"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(words("'a b' c\\ d \"e f\""), ElementsAre("a b", "c d", "e f"));
  EXPECT_THAT(words("x$Q y"), ElementsAre("xa", "b", "c", "y"));
  EXPECT_THAT(words("\"$Q\""), ElementsAre("a b  c"));
  EXPECT_THAT(words("80${NONE:-80}"), ElementsAre("8080"));
  EXPECT_THAT(words("cat << EOF"), ElementsAre("cat", "<< EOF"));
}

TEST(ShellLexerTest, ReportsWhichVariablesWereSeen) {
  ASSERT_OK_AND_ASSIGN(const LexResult result,
                       ExpandWord("$A ${NONE:-$MISSING} '$QUOTED'", TestEnvironment()));
  EXPECT_THAT(result.matched, ElementsAre("A"));
  EXPECT_THAT(result.unmatched, ElementsAre("MISSING", "NONE"));
}

TEST(ShellLexerTest, NestingIsBounded) {
  std::string word;
  for (int i = 0; i < 10'000; ++i) {
    word += "${NONE:-";
  }
  EXPECT_FALSE(ExpandWord(word, Environment()).ok());
}

TEST(ShellLexerTest, GrowthIsBounded) {
  Environment environment;
  environment.Set("A", std::string(1 << 20, 'x'));
  EXPECT_OK(ExpandWord("$A$A", environment));
  EXPECT_THAT(ExpandWord("$A$A$A$A$A$A", environment),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("larger than 4 MiB")));
  EXPECT_THAT(ExpandWord("\"$A$A$A$A$A$A\"", environment),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("larger than 4 MiB")));
  EXPECT_THAT(ExpandWord("${A//x/$A}", environment),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("substitution is too large")));
}

TEST(EnvironmentTest, SettingAgainMovesToTheEnd) {
  Environment environment = Environment::FromList({"A=1", "B=2", "A=3", "C"});
  EXPECT_THAT(environment.ToList(), ElementsAre("B=2", "A=3", "C="));
  environment.Remove("A");
  EXPECT_FALSE(environment.Has("A"));
}

}  // namespace
}  // namespace cairn::dockerfile

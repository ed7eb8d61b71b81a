#include "daemon/frontend/dockerfile/parser.h"

#include "daemon/frontend/dockerfile/directives.h"
#include "daemon/frontend/dockerfile/location.h"
#include "tests/unit/testing.h"

namespace cairn::dockerfile {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<Node> ParseLines(string_view text) {
  StatusOr<ParsedFile> file = ParseFile(text);
  EXPECT_OK(file);
  return file.ok() ? file->nodes : std::vector<Node>(1);
}

TEST(ParserTest, SplitsInstructions) {
  const std::vector<Node> nodes = ParseLines("FROM a AS b\nrun  echo   hi \nCMD [\"a\", \"b c\"]");
  ASSERT_THAT(nodes, SizeIs(3));
  EXPECT_EQ(nodes[0].keyword, "FROM");
  EXPECT_THAT(nodes[0].arguments, ElementsAre("a", "AS", "b"));
  EXPECT_EQ(nodes[1].keyword, "run");
  EXPECT_THAT(nodes[1].arguments, ElementsAre("echo   hi"));
  EXPECT_EQ(nodes[1].original, "run  echo   hi ");
  EXPECT_TRUE(nodes[2].is_json);
  EXPECT_THAT(nodes[2].arguments, ElementsAre("a", "b c"));
  EXPECT_EQ(nodes[2].start_line, 3);
}

TEST(ParserTest, JoinsContinuations) {
  const std::vector<Node> nodes = ParseLines(
      "RUN a \\\n"
      "  # dropped\n"
      "  b \\  \n"
      "\n"
      "  c\n"
      "RUN x\\\\\n"
      "RUN y");
  ASSERT_THAT(nodes, SizeIs(3));
  EXPECT_THAT(nodes[0].arguments, ElementsAre("a   b   c"));
  EXPECT_EQ(nodes[0].start_line, 1);
  EXPECT_EQ(nodes[0].end_line, 5);
  EXPECT_THAT(nodes[1].arguments, ElementsAre("x\\\\"));
  ASSERT_OK_AND_ASSIGN(const ParsedFile file, ParseFile("RUN a \\\n\n b"));
  EXPECT_THAT(file.empty_continuations, ElementsAre(Range{{3, 0}, {3, 0}}));
}

TEST(ParserTest, BacktickEscapes) {
  const std::vector<Node> nodes = ParseLines("# escape=`\nRUN a `\n b\\\nRUN c");
  ASSERT_THAT(nodes, SizeIs(2));
  EXPECT_THAT(nodes[0].arguments, ElementsAre("a  b\\"));
}

TEST(ParserTest, AcceptsMarksCarriageReturnsAndMissingLineEnds) {
  const std::vector<Node> nodes = ParseLines("\xEF\xBB\xBF# c\r\nFROM a\r\nRUN x \\\r\n y");
  ASSERT_THAT(nodes, SizeIs(2));
  EXPECT_THAT(nodes[0].arguments, ElementsAre("a"));
  EXPECT_THAT(nodes[1].arguments, ElementsAre("x  y"));
}

// BuildKit reads lines of up to 64 KiB; here longer ones were taken.
TEST(ParserTest, LongLinesAreRefused) {
  const std::string most = "FROM a\nENV A=" + std::string(65536 - 7, 'x');
  EXPECT_OK(ParseFile(most + "\nENV B=c"));
  EXPECT_THAT(ParseFile(most + "x\nENV B=c"),
              StatusIs(absl::StatusCode::kUnknown,
                       "dockerfile line greater than max allowed size of 65535"));
}

TEST(ParserTest, TakesFlags) {
  const std::vector<Node> nodes =
      ParseLines("COPY --from=a --chown=\"x y\" --link -- --odd dst\nRUN --mount=a\\ b cmd --not");
  ASSERT_THAT(nodes, SizeIs(2));
  EXPECT_THAT(nodes[0].flags, ElementsAre("--from=a", "--chown=x y", "--link"));
  EXPECT_THAT(nodes[0].arguments, ElementsAre("--odd", "dst"));
  EXPECT_THAT(nodes[1].flags, ElementsAre("--mount=a b"));
  EXPECT_THAT(nodes[1].arguments, ElementsAre("cmd --not"));
}

TEST(ParserTest, SplitsPairs) {
  const std::vector<Node> nodes =
      ParseLines("ENV a=1 b=\"x y\" c='q' d=e\\ f\nENV old value  with blanks\nARG a b=c");
  ASSERT_THAT(nodes, SizeIs(3));
  EXPECT_THAT(nodes[0].arguments,
              ElementsAre("a", "1", "=", "b", "\"x y\"", "=", "c", "'q'", "=", "d", "e\\ f", "="));
  EXPECT_THAT(nodes[1].arguments, ElementsAre("old", "value  with blanks", ""));
  EXPECT_THAT(nodes[2].arguments, ElementsAre("a", "b=c"));
}

TEST(ParserTest, MalformedArraysAreShellForm) {
  const std::vector<Node> nodes = ParseLines("CMD ['a']\nVOLUME [a, b]\nRUN [ -f x ]");
  EXPECT_FALSE(nodes[0].is_json);
  EXPECT_THAT(nodes[0].arguments, ElementsAre("['a']"));
  EXPECT_THAT(nodes[1].arguments, ElementsAre("[a,", "b]"));
  EXPECT_FALSE(nodes[2].is_json);
  EXPECT_THAT(ParseFile("CMD [1]"),
              StatusIs(absl::StatusCode::kUnknown,
                       "when using JSON array syntax, arrays must be comprised of strings only"));
}

TEST(ParserTest, ReadsHeredocs) {
  const std::vector<Node> nodes = ParseLines(
      "RUN <<EOF cat <<-'B'\n"
      "# content\n"
      "a \\\n"
      "EOF\n"
      "\tb\n"
      "\tB\n"
      "COPY <<\"x y\" /f\n"
      "z\n"
      "x y\n"
      "ONBUILD RUN <<E\n"
      "w\n"
      "E\n"
      "CMD echo <<EOF\n"
      "RUN [\"<<EOF\"]");
  ASSERT_THAT(nodes, SizeIs(5));
  ASSERT_THAT(nodes[0].heredocs, SizeIs(2));
  EXPECT_EQ(nodes[0].heredocs[0].name, "EOF");
  EXPECT_TRUE(nodes[0].heredocs[0].expands);
  EXPECT_EQ(nodes[0].heredocs[0].content, "# content\na \\\n");
  EXPECT_EQ(nodes[0].heredocs[1].name, "B");
  EXPECT_FALSE(nodes[0].heredocs[1].expands);
  EXPECT_TRUE(nodes[0].heredocs[1].strips_tabs);
  EXPECT_EQ(nodes[0].heredocs[1].content, "\tb\n");
  EXPECT_EQ(nodes[0].end_line, 6);
  EXPECT_EQ(nodes[1].heredocs[0].name, "x y");
  EXPECT_EQ(nodes[2].heredocs[0].content, "w\n");
  EXPECT_THAT(nodes[3].heredocs, IsEmpty());
}

TEST(ParserTest, GathersCommentsBeforeAnInstruction) {
  const std::vector<Node> nodes = ParseLines(
      "# syntax=x\n"
      "# first\n"
      "#\n"
      "# base the stage\n"
      "FROM a AS base\n"
      "RUN x");
  EXPECT_THAT(nodes[0].comments, ElementsAre("base the stage"));
  EXPECT_THAT(nodes[1].comments, IsEmpty());
}

TEST(ParserTest, ErrorsNameTheirLines) {
  struct Case {
    const char* text;
    const char* message;
    int first;
    int last;
  };
  for (const Case& test : {
           Case{"", "file with no instructions", 0, 0},
           {"# only\n\n", "file with no instructions", 2, 2},
           {"# escape=x\nFROM a", "invalid escape token 'x' does not match ` or \\", 0, 0},
           {"# escape=`\n# escape=`", "only one escape parser directive can be used", 1, 1},
           {"FROM a\nENV x", "ENV must have two arguments", 2, 2},
           {"FROM a\nENV a=b \\\n c",
            "Syntax error - can't find = in \"c\". Must be of the form: name=value", 2, 3},
           {"FROM a\nRUN <<EOF\nx\n", "unterminated heredoc", 2, 3},
       }) {
    const StatusOr<ParsedFile> file = ParseFile(test.text);
    ASSERT_THAT(file, StatusIs(absl::StatusCode::kUnknown, test.message)) << test.text;
    const auto locations = LocationsOf(file.status());
    ASSERT_THAT(locations, SizeIs(1)) << test.text;
    EXPECT_EQ(locations[0].front().start.line, test.first) << test.text;
    EXPECT_EQ(locations[0].back().end.line, test.last) << test.text;
  }
}

TEST(DirectiveTest, EndAtTheFirstOtherLine) {
  EXPECT_EQ(FindDirective("# syntax=a\n# check=skip=all\nFROM x", "check"), "skip=all");
  EXPECT_EQ(FindDirective("# comment\n# check=skip=all", "check"), std::nullopt);
  EXPECT_EQ(FindDirective("# unknown=1\n# check=skip=all", "check"), std::nullopt);
  EXPECT_EQ(FindDirective("\n# check=skip=all", "check"), std::nullopt);
  EXPECT_EQ(FindDirective("#CHECK = skip=all ;x", "check"), "skip=all");
}

TEST(DirectiveTest, SyntaxIsFoundInAnyFormat) {
  struct Case {
    const char* text;
    const char* reference;
    int line;
  };
  for (const Case& test : {
           Case{"# syntax=docker/dockerfile:1 --x\nFROM a", "docker/dockerfile:1", 1},
           {"#!/bin/sh\n# syntax = a/b", "a/b", 2},
           {"// syntax=a/b\n{}", "a/b", 1},
           {"{\"syntax\": \"a/b\", \"x\": 1}", "a/b", 0},
           {"\xEF\xBB\xBF#syntax=a/b", "a/b", 1},
       }) {
    const std::optional<SyntaxRequest> request = DetectSyntax(test.text);
    ASSERT_TRUE(request.has_value()) << test.text;
    EXPECT_EQ(request->reference, test.reference);
    EXPECT_EQ(request->location[0].start.line, test.line);
  }
  EXPECT_EQ(DetectSyntax("FROM a\n# syntax=b"), std::nullopt);
  EXPECT_EQ(DetectSyntax("{\"syntax\": 1}"), std::nullopt);
}

TEST(LocationTest, TravelsInTheStatus) {
  Status status = WithLocation(Error("x"), LineRanges(2, 4));
  status = WithLocation(Annotate(status, "y"), LineRanges(7, 0));
  EXPECT_EQ(status.message(), "y: x");
  const auto locations = LocationsOf(status);
  ASSERT_THAT(locations, SizeIs(2));
  EXPECT_THAT(locations[0], SizeIs(3));
  EXPECT_EQ(locations[1], LineRanges(7, 7));
  EXPECT_THAT(LocationsOf(SetLocation(status, LineRanges(1, 1))), SizeIs(1));
  EXPECT_OK(WithLocation(absl::OkStatus(), LineRanges(1, 1)));
}

}  // namespace
}  // namespace cairn::dockerfile

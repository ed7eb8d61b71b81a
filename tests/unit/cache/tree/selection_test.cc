#include "cache/tree/selection.h"

#include "tests/unit/cache/stores.h"

namespace cairn::tree {
namespace {

using ::cairn::testing::LinesOf;
using ::cairn::testing::MakeTree;
using ::cairn::testing::StatusIs;
using ::cairn::testing::Stores;
using ::testing::ElementsAre;

class SelectionTest : public ::testing::Test {
 protected:
  Digest ContentOf(const std::vector<std::string>& lines, const Selection& selection) {
    return *ContentDigest(stores_.trees(), MakeTree(stores_, lines), selection);
  }
  std::vector<std::string> Matches(const TreeRef& tree, string_view pattern, bool follow = false) {
    std::vector<std::string> paths;
    const auto matches = ExpandWildcards(stores_.trees(), tree, pattern, follow);
    EXPECT_OK(matches);
    for (const Found& found : *matches) {
      paths.push_back(found.path);
    }
    return paths;
  }
  Stores stores_;
};

TEST_F(SelectionTest, EverythingIsTheRootsOwnContent) {
  const TreeRef tree = MakeTree(stores_, {"a/f=1"});
  EXPECT_EQ(*ContentDigest(stores_.trees(), tree, Selection()), tree.content);
  EXPECT_EQ(*ContentDigest(stores_.trees(), tree, {.paths = {""}}), tree.content);
}

TEST_F(SelectionTest, SeesOnlyWhatIsSelected) {
  const Selection one = {.paths = {"/a/f"}};
  EXPECT_EQ(ContentOf({"a/f=1", "b=1"}, one), ContentOf({"a/f=1", "b=2", "c/d/"}, one));
  EXPECT_NE(ContentOf({"a/f=1"}, one), ContentOf({"a/f=2"}, one));
}

TEST_F(SelectionTest, FollowsTheLastLinkWhenAsked) {
  const std::vector<std::string> before = {"l->f", "f=1"};
  const std::vector<std::string> after = {"l->f", "f=2"};
  EXPECT_NE(ContentOf(before, {.paths = {"l"}}), ContentOf(after, {.paths = {"l"}}));
  EXPECT_EQ(ContentOf(before, {.paths = {"l"}, .follow = false}),
            ContentOf(after, {.paths = {"l"}, .follow = false}));
}

TEST_F(SelectionTest, WildcardsCountTheNamesTheyMatch) {
  const Selection all = {.paths = {"src/*.c"}, .wildcards = true};
  const Digest two = ContentOf({"src/a.c=1", "src/b.c=2", "src/c.h=3"}, all);
  EXPECT_EQ(two, ContentOf({"src/a.c=1", "src/b.c=2", "src/d.h=9"}, all));
  EXPECT_NE(two, ContentOf({"src/a.c=1", "src/x.c=2"}, all));
  EXPECT_NE(two, ContentOf({"src/a.c=1"}, all));
  EXPECT_NE(two, ContentOf({"src/c.h=3"}, all));
}

TEST_F(SelectionTest, FiltersApplyWithinADirectory) {
  const Selection sources = {.paths = {"/"}, .include = {"**/*.c"}, .exclude = {"skip"}};
  const Digest digest = ContentOf({"a/x.c=1", "a/x.h=2", "skip/y.c=3"}, sources);
  EXPECT_EQ(digest, ContentOf({"a/x.c=1", "a/x.h=9", "skip/z.c=9", "empty/"}, sources));
  EXPECT_NE(digest, ContentOf({"a/x.c=2"}, sources));
}

TEST_F(SelectionTest, AnAbsentPathIsAnErrorAndAnAbsentPatternIsNot) {
  const TreeRef tree = MakeTree(stores_, {"f=1"});
  EXPECT_THAT(ContentDigest(stores_.trees(), tree, {.paths = {"/x"}}),
              StatusIs(absl::StatusCode::kNotFound, "\"/x\": not found"));
  EXPECT_OK(ContentDigest(stores_.trees(), tree, {.paths = {"/x*"}, .wildcards = true}));
}

TEST_F(SelectionTest, FilterKeepsTheWayToWhatMatches) {
  const TreeRef tree =
      MakeTree(stores_, {"a/b/x.c=1", "a/b/x.o=2", "a/e/", "d/k.c=3", "d/keep/z.o=4", "top.o=5"});
  EXPECT_THAT(LinesOf(stores_, *Filter(stores_.trees(), tree, {"**/*.c"}, {})),
              ElementsAre("a/", "a/b/", "a/b/x.c=1", "d/", "d/k.c=3"));
  EXPECT_THAT(LinesOf(stores_, *Filter(stores_.trees(), tree, {}, {"**/*.o", "a"})),
              ElementsAre("d/", "d/k.c=3", "d/keep/"));
  EXPECT_THAT(LinesOf(stores_, *Filter(stores_.trees(), tree, {}, {"*", "!d/keep"})),
              ElementsAre("d/", "d/keep/", "d/keep/z.o=4"));
  EXPECT_THAT(LinesOf(stores_, *Filter(stores_.trees(), tree, {"nothing"}, {})), ElementsAre());
  EXPECT_EQ(*Filter(stores_.trees(), tree, {}, {}), tree);
}

TEST_F(SelectionTest, WildcardsMatchComponentByComponent) {
  const TreeRef tree =
      MakeTree(stores_, {"src/a/x.c=1", "src/b/x.c=2", "src/b/y.h=3", "link->src", "src/l->a"});
  EXPECT_THAT(Matches(tree, "/src/*/x.c"), ElementsAre("src/a/x.c", "src/b/x.c"));
  EXPECT_THAT(Matches(tree, "link/[ab]"), ElementsAre("src/a", "src/b"));
  EXPECT_THAT(Matches(tree, "src/l*"), ElementsAre("src/l"));
  EXPECT_THAT(Matches(tree, "src/l/*"), ElementsAre("src/a/x.c"));
  EXPECT_THAT(Matches(tree, "nothing/*"), ElementsAre());
  EXPECT_THAT(Matches(tree, "src/b"), ElementsAre("src/b"));
  EXPECT_THAT(Matches(tree, "*"), ElementsAre("link", "src"));
  ASSERT_OK_AND_ASSIGN(const auto followed, ExpandWildcards(stores_.trees(), tree, "src/l*", true));
  EXPECT_EQ(followed[0].path, "src/l");
  EXPECT_EQ(followed[0].entry.type, Entry::Type::kDirectory);
}

}  // namespace
}  // namespace cairn::tree

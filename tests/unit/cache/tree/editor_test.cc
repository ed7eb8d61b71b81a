#include "cache/tree/editor.h"

#include "tests/unit/cache/stores.h"

namespace cairn::tree {
namespace {

using ::cairn::testing::FileEntry;
using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::LinesOf;
using ::cairn::testing::LinkEntry;
using ::cairn::testing::MakeTree;
using ::cairn::testing::StatusIs;
using ::cairn::testing::Stores;
using ::testing::_;
using ::testing::ElementsAre;

class EditorTest : public ::testing::Test {
 protected:
  Entry File(const std::string& data) { return FileEntry(stores_.blobs(), data); }
  Stores stores_;
};

TEST_F(EditorTest, StartsFromAnEmptyRoot) {
  Editor editor(stores_.trees(), std::nullopt);
  EXPECT_EQ(*editor.Commit(), *stores_.trees().Empty());
}

TEST_F(EditorTest, WithoutEditsTheTreeIsTheSame) {
  const TreeRef base = MakeTree(stores_, {"a/f=1"});
  Editor editor(stores_.trees(), base);
  EXPECT_TRUE(editor.Get("a/f", false)->has_value());
  EXPECT_EQ(*editor.Commit(), base);
}

TEST_F(EditorTest, PutsReplacesAndRemoves) {
  Editor editor(stores_.trees(), MakeTree(stores_, {"a/f=1", "a/g=2", "b/h=3"}));
  ASSERT_OK(editor.Put("a/f", File("new")));
  ASSERT_OK(editor.Put("b", File("file now")));
  ASSERT_OK(editor.Remove("a/g"));
  ASSERT_OK(editor.Put("c", LinkEntry("a")));
  ASSERT_OK(editor.Put("c/through", File("link")));
  EXPECT_THAT(LinesOf(stores_, *editor.Commit()),
              ElementsAre("a/", "a/f=new", "a/through=link", "b=file now", "c->a"));
}

TEST_F(EditorTest, GoesOnAfterCommit) {
  Editor editor(stores_.trees(), std::nullopt);
  ASSERT_OK(editor.MakeDirectory("a/b", DefaultDirectoryMetadata(), true));
  ASSERT_OK(editor.Commit());
  ASSERT_OK(editor.Put("a/b/f", File("1")));
  ASSERT_OK(editor.Commit());
  ASSERT_OK(editor.Remove("a/b"));
  ASSERT_OK(editor.MakeDirectory("a/b", DefaultDirectoryMetadata(), false));
  EXPECT_THAT(LinesOf(stores_, *editor.Commit()), ElementsAre("a/", "a/b/"));
}

TEST_F(EditorTest, SplicesAWholeTree) {
  Entry other;
  other.type = Entry::Type::kDirectory;
  other.directory = MakeTree(stores_, {"x/f=1"});
  Editor editor(stores_.trees(), std::nullopt);
  ASSERT_OK(editor.Put("copy", other));
  EXPECT_THAT(editor.List("copy/x"), IsOkAndHolds(ElementsAre("f")));
  ASSERT_OK(editor.Put("copy/x/g", File("2")));
  EXPECT_THAT(LinesOf(stores_, *editor.Commit()),
              ElementsAre("copy/", "copy/x/", "copy/x/f=1", "copy/x/g=2"));
}

TEST_F(EditorTest, MakesMissingParentsAndSaysWhich) {
  Editor editor(stores_.trees(), MakeTree(stores_, {"a/"}));
  std::vector<std::string> made;
  ASSERT_OK(editor.MakeDirectory("/a/b/c", {.mode = 0711}, true, &made));
  EXPECT_THAT(made, ElementsAre("a/b", "a/b/c"));
  EXPECT_EQ(editor.DirectoryMetadata("a/b")->mode, 0711u);
  EXPECT_EQ(editor.DirectoryMetadata("a")->mode, 0755u);
  EXPECT_THAT(editor.MakeDirectory("x/y", {.mode = 0711}, false),
              StatusIs(absl::StatusCode::kNotFound, "\"/x/y\": not found"));
}

TEST_F(EditorTest, MakesDirectoriesBehindDanglingLinks) {
  Editor editor(stores_.trees(), MakeTree(stores_, {"l->/data/store"}));
  EXPECT_THAT(editor.Resolve("l/x", true), IsOkAndHolds("data/store/x"));
  ASSERT_OK(editor.MakeDirectory("l/x", DefaultDirectoryMetadata(), true));
  EXPECT_THAT(LinesOf(stores_, *editor.Commit()),
              ElementsAre("data/", "data/store/", "data/store/x/", "l->/data/store"));
}

TEST_F(EditorTest, RefusesWhatIsInTheWay) {
  Editor editor(stores_.trees(), MakeTree(stores_, {"f=1"}));
  EXPECT_THAT(editor.MakeDirectory("f/x", DefaultDirectoryMetadata(), true),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
  EXPECT_THAT(editor.MakeDirectory("f", DefaultDirectoryMetadata(), true),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
  EXPECT_THAT(editor.Put("f/x", File("2")), StatusIs(absl::StatusCode::kFailedPrecondition, _));
  EXPECT_THAT(editor.Put("/", File("2")), StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_THAT(editor.Remove("/"), StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_THAT(editor.Remove("none"), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(editor.List("f"), StatusIs(absl::StatusCode::kFailedPrecondition, _));
  EXPECT_THAT(editor.Put(std::string(256, 'n'), File("2")),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
}

TEST_F(EditorTest, LinksNeverLeadOutOfTheRoot) {
  Editor editor(stores_.trees(), MakeTree(stores_, {"up->../../..", "etc/passwd=x"}));
  EXPECT_THAT(editor.Resolve("up/etc/passwd", true), IsOkAndHolds("etc/passwd"));
  EXPECT_THAT(editor.Resolve("up/../../new", true), IsOkAndHolds("new"));
}

TEST_F(EditorTest, GetTellsADirectorysMetadataAndTree) {
  const TreeRef base = MakeTree(stores_, {"a/f=1", "b/"});
  Editor editor(stores_.trees(), base);
  EXPECT_TRUE(editor.Get("a", false)->value().directory.has_value());
  ASSERT_OK(editor.SetDirectoryMetadata("a", {.mode = 0700}));
  EXPECT_EQ(editor.Get("a", false)->value().metadata.mode, 0700u);
  EXPECT_FALSE(editor.Get("a", false)->value().directory.has_value());
  ASSERT_OK(editor.Commit());
  EXPECT_TRUE(editor.Get("a", false)->value().directory.has_value());
}

}  // namespace
}  // namespace cairn::tree

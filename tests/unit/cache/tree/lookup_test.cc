#include "cache/tree/algebra.h"
#include "tests/unit/cache/stores.h"

namespace cairn::tree {
namespace {

using ::cairn::testing::MakeTree;
using ::cairn::testing::StatusIs;
using ::cairn::testing::Stores;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LookupTest, FindsFilesAndTheRoot) {
  Stores stores;
  const TreeRef tree = MakeTree(stores, {"a/b/f=1"});
  EXPECT_EQ(Lookup(stores.trees(), tree, "/a/./b//f", true)->path, "a/b/f");
  for (const char* root : {"", "/", "..", "/a/../../.."}) {
    ASSERT_OK_AND_ASSIGN(const Found found, Lookup(stores.trees(), tree, root, true));
    EXPECT_EQ(found.path, "");
    EXPECT_EQ(found.entry.directory, tree);
  }
}

TEST(LookupTest, FollowsLinksWithinTheTree) {
  Stores stores;
  const TreeRef tree = MakeTree(stores, {"run/pid=7", "var/run->/run", "var/up->../../../run",
                                         "var/rel->run", "last->var/run/pid"});
  EXPECT_EQ(Lookup(stores.trees(), tree, "/var/run/pid", true)->path, "run/pid");
  EXPECT_EQ(Lookup(stores.trees(), tree, "/var/up/pid", true)->path, "run/pid");
  EXPECT_EQ(Lookup(stores.trees(), tree, "/var/rel/pid", true)->path, "run/pid");
  EXPECT_EQ(Lookup(stores.trees(), tree, "last", true)->path, "run/pid");
  EXPECT_EQ(Lookup(stores.trees(), tree, "last", false)->path, "last");
}

TEST(LookupTest, SaysWhatIsMissingAsBuildKitDoes) {
  Stores stores;
  const TreeRef tree = MakeTree(stores, {"f=1", "dangling->nowhere"});
  for (const char* path : {"/x", "/f/below", "/x/y", "/dangling"}) {
    EXPECT_THAT(Lookup(stores.trees(), tree, path, true),
                StatusIs(absl::StatusCode::kNotFound, absl::StrCat("\"", path, "\": not found")));
  }
}

TEST(LookupTest, EndsLoops) {
  Stores stores;
  const TreeRef tree = MakeTree(stores, {"a->b", "b->a", "self->self/x"});
  for (const char* path : {"a", "b/f", "self"}) {
    EXPECT_THAT(Lookup(stores.trees(), tree, path, true),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too many links")));
  }
}

TEST(WalkTest, VisitsInLayerOrderAndStops) {
  Stores stores;
  const TreeRef tree = MakeTree(stores, {"a/x=1", "a.b=2", "b/y=3", "c=4"});
  std::vector<std::string> paths;
  ASSERT_OK(
      Walk(stores.trees(), tree,
           [&](const std::string& path, const Entry&, const Directory*) -> StatusOr<Visit> {
             paths.push_back(path);
             return path == "b" ? Visit::kSkip : path == "c" ? Visit::kStop : Visit::kContinue;
           }));
  EXPECT_THAT(paths, ElementsAre("a", "a/x", "a.b", "b", "c"));
}

}  // namespace
}  // namespace cairn::tree

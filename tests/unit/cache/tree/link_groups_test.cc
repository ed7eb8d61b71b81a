#include "cache/tree/link_groups.h"

#include "tests/unit/cache/stores.h"

namespace cairn::tree {
namespace {

using ::cairn::testing::FileEntry;
using ::cairn::testing::MakeTree;
using ::cairn::testing::Stores;

TEST(LinkGroupsTest, CopiesOfATreeGetGroupsOfTheirOwn) {
  Stores stores;
  Entry file = FileEntry(stores.blobs(), "shared");
  file.link_group = LinkGroupOf("d/a", file);
  Editor editor(stores.trees(), MakeTree(stores, {"d/", "plain/f=1"}));
  ASSERT_OK(editor.Put("d/a", file));
  ASSERT_OK(editor.Put("d/b", file));
  ASSERT_OK_AND_ASSIGN(const TreeRef tree, editor.Commit());

  ASSERT_OK_AND_ASSIGN(const TreeRef one, RemapLinkGroups(stores.trees(), tree, "/one"));
  ASSERT_OK_AND_ASSIGN(const TreeRef two, RemapLinkGroups(stores.trees(), tree, "/two"));
  const auto group = [&](const TreeRef& in, const char* path) {
    return Lookup(stores.trees(), in, path, false)->entry.link_group;
  };
  EXPECT_EQ(group(one, "d/a"), group(one, "d/b"));
  EXPECT_NE(group(one, "d/a"), group(two, "d/a"));
  EXPECT_NE(group(one, "d/a"), group(tree, "d/a"));
  EXPECT_EQ(group(one, "plain/f"), 0u);
  EXPECT_EQ(one.content, tree.content);
}

TEST(LinkGroupsTest, ATreeWithoutGroupsStaysAsItIs) {
  Stores stores;
  const TreeRef tree = MakeTree(stores, {"a/f=1"});
  EXPECT_EQ(*RemapLinkGroups(stores.trees(), tree, "x"), tree);
}

}  // namespace
}  // namespace cairn::tree

#include "cache/tree/algebra.h"
#include "tests/unit/cache/stores.h"

namespace cairn::tree {
namespace {

using ::cairn::testing::LinesOf;
using ::cairn::testing::MakeTree;
using ::cairn::testing::Stores;
using ::testing::ElementsAre;

// `tree` with the directory `path` changed by `change`.
template <typename Change>
TreeRef Changed(Stores& stores, const TreeRef& tree, const std::string& path,
                const Change& change) {
  Directory directory =
      *stores.trees()
           .Load(Lookup(stores.trees(), tree, path, true)->entry.directory->digest)
           .value();
  change(directory);
  Entry entry;
  entry.type = Entry::Type::kDirectory;
  entry.directory = *stores.trees().Store(directory);
  if (path.empty()) {
    return *entry.directory;
  }
  Editor editor(stores.trees(), tree);
  EXPECT_OK(editor.Put(path, entry));
  return *editor.Commit();
}

TEST(ApplyTest, WhiteoutsRemove) {
  Stores stores;
  const TreeRef base = MakeTree(stores, {"a/f=1", "a/g=2", "b/h=3"});
  const TreeRef delta = MakeTree(stores, {"a/f-", "b-", "absent-"});
  ASSERT_OK_AND_ASSIGN(const TreeRef result, Apply(stores.trees(), base, delta));
  EXPECT_THAT(LinesOf(stores, result), ElementsAre("a/", "a/g=2"));
  EXPECT_EQ(result.traits, 0u);
}

TEST(ApplyTest, OpaqueDirectoriesHideAllBelow) {
  Stores stores;
  const TreeRef base = MakeTree(stores, {"a/f=1", "a/g=2"});
  const TreeRef delta = Changed(stores, MakeTree(stores, {"a/new=3", "a/f-"}), "a",
                                [](Directory& directory) { directory.opaque = true; });
  ASSERT_OK_AND_ASSIGN(const TreeRef result, Apply(stores.trees(), base, delta));
  EXPECT_THAT(LinesOf(stores, result), ElementsAre("a/", "a/new=3"));
  EXPECT_EQ(result.traits, 0u);
}

TEST(ApplyTest, TypesReplaceEachOther) {
  Stores stores;
  const TreeRef base = MakeTree(stores, {"d/f=1", "f=2", "l->d"});
  const TreeRef delta = MakeTree(stores, {"d=now a file", "f/x=3", "f/gone-", "l/y=4"});
  ASSERT_OK_AND_ASSIGN(const TreeRef result, Apply(stores.trees(), base, delta));
  EXPECT_THAT(LinesOf(stores, result), ElementsAre("d=now a file", "f/", "f/x=3", "l/", "l/y=4"));
}

TEST(ApplyTest, ANewDirectoryIsSplicedUntouched) {
  Stores stores;
  const TreeRef base = MakeTree(stores, {"a=1"});
  const TreeRef delta = MakeTree(stores, {"usr/bin/x=2"});
  Changes changes;
  ASSERT_OK_AND_ASSIGN(const TreeRef result, Apply(stores.trees(), base, delta, &changes));
  EXPECT_THAT(changes.made, ElementsAre(result.digest));
}

TEST(ApplyTest, ImpliedDirectoriesTakeTheMetadataBelow) {
  Stores stores;
  const TreeRef base = Changed(stores, MakeTree(stores, {"a/f=1"}), "a",
                               [](Directory& directory) { directory.metadata.mode = 0700; });
  TreeRef delta = Changed(stores, MakeTree(stores, {"a/g=2", "n/h=3"}), "a",
                          [](Directory& directory) { directory.implied = true; });
  delta = Changed(stores, delta, "n", [](Directory& directory) { directory.implied = true; });
  EXPECT_TRUE(delta.Has(TreeRef::kHasImplied));

  ASSERT_OK_AND_ASSIGN(const TreeRef result, Apply(stores.trees(), base, delta));
  EXPECT_EQ(
      (*stores.trees().Load(Lookup(stores.trees(), result, "a", true)->entry.directory->digest))
          ->metadata.mode,
      0700u);
  EXPECT_EQ(result.traits, 0u);

  ASSERT_OK_AND_ASSIGN(const TreeRef complete, Complete(stores.trees(), base, delta));
  EXPECT_FALSE(complete.Has(TreeRef::kHasImplied));
  EXPECT_THAT(LinesOf(stores, complete), ElementsAre("a/", "a/g=2", "n/", "n/h=3"));
  EXPECT_EQ(*Apply(stores.trees(), base, complete), result);
}

// A layer's tar has no entry for a directory of which only the times changed, so where it does not
// exist the delta must not make it either. Observed: the difference of a step that moved a file
// away and back had an empty directory.
TEST(ApplyTest, ATouchedDirectoryWithoutChangesIsNotMade) {
  Stores stores;
  TreeRef delta = MakeTree(stores, {"a/b/", "c/d/gone-", "e/", "f=1"});
  for (const char* path : {"a/b", "a", "c/d", "c"}) {
    delta = Changed(stores, delta, path, [](Directory& directory) { directory.touched = true; });
  }
  ASSERT_OK_AND_ASSIGN(const TreeRef on_nothing,
                       Apply(stores.trees(), MakeTree(stores, {}), delta));
  EXPECT_THAT(LinesOf(stores, on_nothing), ElementsAre("c/", "c/d/", "e/", "f=1"));
  ASSERT_OK_AND_ASSIGN(const TreeRef on_file,
                       Apply(stores.trees(), MakeTree(stores, {"a=2", "z=3"}), delta));
  EXPECT_THAT(LinesOf(stores, on_file), ElementsAre("a=2", "c/", "c/d/", "e/", "f=1", "z=3"));

  const TreeRef base = Changed(stores, MakeTree(stores, {"a/b/", "c/d/gone=1"}), "a",
                               [](Directory& directory) { directory.metadata.mtime_ns = 7; });
  ASSERT_OK_AND_ASSIGN(const TreeRef over, Apply(stores.trees(), base, delta));
  EXPECT_THAT(LinesOf(stores, over), ElementsAre("a/", "a/b/", "c/", "c/d/", "e/", "f=1"));
  EXPECT_EQ((*stores.trees().Load(Lookup(stores.trees(), over, "a", true)->entry.directory->digest))
                ->metadata.mtime_ns,
            0);
}

// `lines` as a tar would give them that names no directory.
TreeRef Implied(Stores& stores, const std::vector<std::string>& lines) {
  TreeRef tree = MakeTree(stores, lines);
  std::vector<std::string> directories = {""};
  EXPECT_OK(Walk(stores.trees(), tree,
                 [&](const std::string& path, const Entry&, const Directory* directory) {
                   if (directory != nullptr) {
                     directories.push_back(path);
                   }
                   return StatusOr<Visit>(Visit::kContinue);
                 }));
  for (const std::string& path : directories) {
    tree = Changed(stores, tree, path, [](Directory& directory) { directory.implied = true; });
  }
  return tree;
}

TEST(CompleteTest, WritesThroughLinksOfTheBase) {
  Stores stores;
  const TreeRef base = MakeTree(
      stores, {"usr/bin/sh=1", "bin->usr/bin", "var/run->/run", "run/old=2", "new->made/later"});
  const TreeRef delta = Implied(
      stores, {"bin/tool=3", "usr/bin/other=4", "var/run/old-", "var/run/pid=5", "new/x=6"});
  ASSERT_OK_AND_ASSIGN(const TreeRef complete, Complete(stores.trees(), base, delta));
  EXPECT_THAT(
      LinesOf(stores, *Apply(stores.trees(), base, complete)),
      ElementsAre("bin->usr/bin", "made/", "made/later/", "made/later/x=6", "new->made/later",
                  "run/", "run/pid=5", "usr/", "usr/bin/", "usr/bin/other=4", "usr/bin/sh=1",
                  "usr/bin/tool=3", "var/", "var/run->/run"));
}

TEST(CompleteTest, ANamedDirectoryReplacesALink) {
  Stores stores;
  const TreeRef base = MakeTree(stores, {"usr/bin/sh=1", "bin->usr/bin"});
  const TreeRef delta = MakeTree(stores, {"bin/tool=2"});
  ASSERT_OK_AND_ASSIGN(const TreeRef complete, Complete(stores.trees(), base, delta));
  EXPECT_EQ(complete, delta);
  EXPECT_THAT(LinesOf(stores, *Apply(stores.trees(), base, complete)),
              ElementsAre("bin/", "bin/tool=2", "usr/", "usr/bin/", "usr/bin/sh=1"));
}

TEST(CompleteTest, LinksThatLeadNowhereEndAsErrors) {
  Stores stores;
  const TreeRef base = MakeTree(stores, {"a->b", "b->a"});
  EXPECT_THAT(Complete(stores.trees(), base, Implied(stores, {"a/f=1"})),
              ::cairn::testing::StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_));
}

TEST(DiffTest, EqualTreesHaveNone) {
  Stores stores;
  const TreeRef tree = MakeTree(stores, {"a/f=1"});
  ASSERT_OK_AND_ASSIGN(const auto delta, Diff(stores.trees(), tree, tree));
  EXPECT_FALSE(delta.has_value());
}

TEST(DiffTest, HoldsWhatChangedAndTheWayToIt) {
  Stores stores;
  const TreeRef lower = MakeTree(stores, {"a/b/f=1", "a/b/same=2", "c/x=3", "gone/y=4"});
  const TreeRef upper = MakeTree(stores, {"a/b/f=new", "a/b/same=2", "c/x=3", "new/z=5"});
  ASSERT_OK_AND_ASSIGN(const auto delta, Diff(stores.trees(), lower, upper));
  EXPECT_THAT(LinesOf(stores, *delta),
              ElementsAre("a/", "a/b/", "a/b/f=new", "gone-", "new/", "new/z=5"));
}

// A COPY of a whole image onto the same image gave a layer of all its hard links: a copy's groups
// have numbers of their own.
TEST(DiffTest, ALinkElsewhereIsNoChange) {
  Stores stores;
  const TreeRef one = MakeTree(stores, {"a/f=1", "a/g=2"});
  const auto linked = [](uint64_t group) {
    return [group](Directory& directory) { directory.entries[0].link_group = group; };
  };
  const TreeRef lower = Changed(stores, one, "a", linked(7));
  const TreeRef upper =
      Changed(stores, Changed(stores, one, "a", linked(8)), "a",
              [](Directory& directory) { directory.entries[1].metadata.mode = 0600; });
  ASSERT_OK_AND_ASSIGN(const auto delta, Diff(stores.trees(), lower, upper));
  EXPECT_THAT(LinesOf(stores, *delta), ElementsAre("a/", ::testing::StartsWith("a/g")));
}

TEST(DiffTest, ATimeOfADirectoryIsAChange) {
  Stores stores;
  const TreeRef lower = MakeTree(stores, {"a/f=1"});
  const TreeRef upper =
      Changed(stores, lower, "a", [](Directory& directory) { directory.metadata.mtime_ns = 1; });
  ASSERT_OK_AND_ASSIGN(const auto delta, Diff(stores.trees(), lower, upper));
  EXPECT_THAT(LinesOf(stores, *delta), ElementsAre("a/"));
  EXPECT_EQ(lower.content, upper.content);
}

}  // namespace
}  // namespace cairn::tree

#include "cache/layer/chain_store.h"

#include "tests/unit/cache/stores.h"

namespace cairn::layer {
namespace {

using ::cairn::testing::LinesOf;
using ::cairn::testing::MakeTree;
using ::cairn::testing::Stores;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class ChainStoreTest : public ::testing::Test {
 protected:
  Chain Append(const Chain& base, const std::vector<std::string>& lines) {
    return *chains_.Append(base, Layer{MakeTree(stores_, lines), std::nullopt});
  }
  std::vector<std::string> Lines(const Chain& chain) {
    return LinesOf(stores_, *chains_.TreeOf(chain));
  }
  tree::TreeRef Root(const std::vector<std::string>& lines, bool implied, uint32_t mode) {
    tree::Directory directory = **stores_.trees().Load(MakeTree(stores_, lines).digest);
    directory.implied = implied;
    directory.metadata.mode = mode;
    return *stores_.trees().Store(directory);
  }
  Stores stores_;
  ChainStore chains_{stores_.trees(), stores_.database()};
  Chain scratch_ = *chains_.Scratch();
};

TEST_F(ChainStoreTest, ScratchIsTheEmptyTree) {
  EXPECT_THAT(scratch_.layers, SizeIs(0));
  EXPECT_EQ(*chains_.TreeOf(scratch_), *stores_.trees().Empty());
}

TEST_F(ChainStoreTest, AppliesLayersBottomUp) {
  const Chain base = Append(scratch_, {"a/f=1", "b=2"});
  const Chain top = Append(base, {"a/f=new", "b-", "c=3"});
  EXPECT_THAT(Lines(top), ElementsAre("a/", "a/f=new", "c=3"));
  EXPECT_EQ(top.content, MakeTree(stores_, {"a/f=new", "c=3"}).content);
}

TEST_F(ChainStoreTest, ContentIsOfTheWholeHoweverItWasMade) {
  const Chain one = Append(scratch_, {"a=1", "b=2"});
  const Chain two = Append(Append(scratch_, {"a=1", "x=0"}), {"x-", "b=2"});
  EXPECT_EQ(one.content, two.content);
  EXPECT_NE(one.layers.size(), two.layers.size());
}

TEST_F(ChainStoreTest, SettlesImpliedDirectoriesOnTheirBase) {
  const Chain base = *chains_.Append(scratch_, Layer{Root({"a=1"}, false, 0711), std::nullopt});
  const tree::TreeRef delta = Root({"b=2"}, true, 0755);
  ASSERT_OK_AND_ASSIGN(const Chain top, chains_.Append(base, Layer{delta, std::nullopt}));
  EXPECT_FALSE(top.layers[1].delta.Has(tree::TreeRef::kHasImplied));
  EXPECT_EQ((*stores_.trees().Load(chains_.TreeOf(top)->digest))->metadata.mode, 0711u);
  // Remembered, and the same from the memory of another process.
  ChainStore later(stores_.trees(), stores_.database());
  EXPECT_EQ(*chains_.Append(base, Layer{delta, std::nullopt}), top);
  EXPECT_EQ(*later.Append(base, Layer{delta, std::nullopt}), top);
}

TEST_F(ChainStoreTest, MakesAnAppliedTreeAgainWhenItWasCollected) {
  const Chain chain = Append(Append(scratch_, {"a/f=1"}), {"a/g=2"});
  ASSERT_OK_AND_ASSIGN(const tree::TreeRef tree, chains_.TreeOf(chain));
  ASSERT_OK(stores_.blobs().Remove({tree.digest}, [](const Digest&) {}));
  ASSERT_OK_AND_ASSIGN(const tree::TreeRef again, chains_.TreeOf(chain));
  EXPECT_EQ(again, tree);
  EXPECT_THAT(Lines(chain), ElementsAre("a/", "a/f=1", "a/g=2"));
}

TEST_F(ChainStoreTest, ExtendsByWhatATreeChanges) {
  const Chain base = Append(scratch_, {"a/f=1", "b=2"});
  ASSERT_OK_AND_ASSIGN(const Chain top,
                       chains_.Extend(base, MakeTree(stores_, {"a/f=1", "c=3"}), true));
  EXPECT_THAT(LinesOf(stores_, top.layers.back().delta), ElementsAre("b-", "c=3"));
  EXPECT_THAT(Lines(top), ElementsAre("a/", "a/f=1", "c=3"));
}

TEST_F(ChainStoreTest, ExtendingByNothingIsAnEmptyLayerOrNone) {
  const Chain base = Append(scratch_, {"a=1"});
  ASSERT_OK_AND_ASSIGN(const tree::TreeRef same, chains_.TreeOf(base));
  EXPECT_EQ(*chains_.Extend(base, same, false), base);
  ASSERT_OK_AND_ASSIGN(const Chain kept, chains_.Extend(base, same, true));
  EXPECT_THAT(kept.layers, SizeIs(2));
  EXPECT_EQ(kept.layers.back().delta.entries, 0u);
  EXPECT_EQ(kept.content, base.content);
}

TEST_F(ChainStoreTest, MergePutsLayersOneOnTheOther) {
  const Chain one = Append(scratch_, {"a=1", "x=1"});
  const Chain two = Append(Append(scratch_, {"b=2"}), {"x-"});
  ASSERT_OK_AND_ASSIGN(const Chain merged, chains_.Merge({one, two}));
  EXPECT_THAT(merged.layers, SizeIs(3));
  EXPECT_THAT(Lines(merged), ElementsAre("a=1", "b=2"));
  EXPECT_EQ(*chains_.Merge({}), scratch_);
}

TEST_F(ChainStoreTest, DifferenceOfAnExtensionIsItsLastLayers) {
  const Chain base = Append(scratch_, {"a=1"});
  const Chain top = Append(Append(base, {"b=2"}), {"a-"});
  ASSERT_OK_AND_ASSIGN(const Chain difference, chains_.Difference(base, top));
  ASSERT_THAT(difference.layers, SizeIs(2));
  EXPECT_EQ(difference.layers[0].delta, top.layers[1].delta);
  EXPECT_THAT(Lines(*chains_.Merge({base, difference})), ElementsAre("b=2"));
}

TEST_F(ChainStoreTest, DifferenceRemovesOnlyWhatItSaw) {
  const Chain base = Append(scratch_, {"d/a=1", "d/sub/b=1"});
  tree::Directory replaced = **stores_.trees().Load(MakeTree(stores_, {"new=2"}).digest);
  replaced.opaque = true;
  tree::Entry entry{.name = "d", .type = tree::Entry::Type::kDirectory};
  entry.directory = *stores_.trees().Store(replaced);
  tree::Directory root;
  root.entries.push_back(entry);
  const Chain top = *chains_.Append(base, {*stores_.trees().Store(root), std::nullopt});
  ASSERT_THAT(Lines(top), ElementsAre("d/", "d/new=2"));

  ASSERT_OK_AND_ASSIGN(const Chain difference, chains_.Difference(base, top));

  const Chain other = Append(base, {"d/other=3", "d/sub/other=3"});
  EXPECT_THAT(Lines(*chains_.Merge({other, difference})),
              ElementsAre("d/", "d/new=2", "d/other=3"));
}

TEST_F(ChainStoreTest, DifferenceOfStrangersIsOneLayer) {
  const Chain lower = Append(scratch_, {"a=1", "same=0"});
  const Chain upper = Append(scratch_, {"b=2", "same=0"});
  ASSERT_OK_AND_ASSIGN(const Chain difference, chains_.Difference(lower, upper));
  ASSERT_THAT(difference.layers, SizeIs(1));
  EXPECT_THAT(LinesOf(stores_, difference.layers[0].delta), ElementsAre("a-", "b=2"));
  EXPECT_EQ(*chains_.Difference(upper, upper), scratch_);
}

}  // namespace
}  // namespace cairn::layer

#include "cache/tree/tree_store.h"

#include "tests/unit/cache/stores.h"

namespace cairn::tree {
namespace {

using ::cairn::testing::FileEntry;
using ::cairn::testing::MakeTree;
using ::cairn::testing::StatusIs;
using ::cairn::testing::Stores;
using ::testing::HasSubstr;

TEST(TreeStoreTest, LoadsWhatItStored) {
  Stores stores;
  Directory directory;
  directory.metadata.mode = 0700;
  directory.entries.push_back(FileEntry(stores.blobs(), "hello"));
  directory.entries[0].name = "f";
  ASSERT_OK_AND_ASSIGN(const TreeRef ref, stores.trees().Store(directory));

  TreeStore fresh(stores.blobs());
  ASSERT_OK_AND_ASSIGN(const auto loaded, fresh.Load(ref.digest));
  EXPECT_EQ(*loaded, directory);
}

TEST(TreeStoreTest, CountsWhatIsBelow) {
  Stores stores;
  const TreeRef ref = MakeTree(stores, {"a/b/f=12345", "a/g=123", "l->x"});
  EXPECT_EQ(ref.bytes, 8u);
  EXPECT_EQ(ref.entries, 5u);
  EXPECT_EQ(ref.traits, 0u);
  EXPECT_EQ(MakeTree(stores, {"a/b-"}).traits, TreeRef::kHasWhiteouts);
}

TEST(TreeStoreTest, FindsOutWhatAReferenceLacks) {
  Stores stores;
  const TreeRef child = MakeTree(stores, {"b/f=x", "c-"});
  Directory parent;
  Entry entry;
  entry.name = "d";
  entry.type = Entry::Type::kDirectory;
  entry.directory = child;
  parent.entries.push_back(entry);
  ASSERT_OK_AND_ASSIGN(const TreeRef whole, stores.trees().Store(parent));

  parent.entries[0].directory = TreeRef{child.digest, child.content};
  ASSERT_OK_AND_ASSIGN(const TreeRef same, stores.trees().Store(parent));
  EXPECT_EQ(whole, same);
  ASSERT_OK_AND_ASSIGN(const TreeRef described, TreeStore(stores.blobs()).RefOf(whole.digest));
  EXPECT_EQ(described.content, whole.content);
  EXPECT_EQ(described.entries, 4u);
  EXPECT_EQ(described.encoded_size, whole.encoded_size);
  EXPECT_EQ(described.traits, TreeRef::kHasWhiteouts);
}

TEST(TreeStoreTest, ForgetsCachedDirectoriesThatWereRemoved) {
  Stores stores;
  const TreeRef ref = MakeTree(stores, {"f=x"});
  ASSERT_OK(stores.trees().Load(ref.digest));
  ASSERT_OK(stores.blobs().Remove({ref.digest}, [](const Digest&) {}));
  EXPECT_THAT(stores.trees().Load(ref.digest),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("load directory")));
}

TEST(TreeStoreTest, BoundsItsCache) {
  Stores stores;
  TreeStore small(stores.blobs(), 4096);
  for (uint32_t mode = 0; mode < 200; ++mode) {
    Directory directory;
    directory.metadata.mode = mode;
    ASSERT_OK_AND_ASSIGN(const TreeRef ref, small.Store(directory));
    ASSERT_OK_AND_ASSIGN(const auto loaded, small.Load(ref.digest));
    EXPECT_EQ(loaded->metadata.mode, mode);
  }
}

TEST(TreeStoreTest, SaysThatBytesAreNoDirectory) {
  Stores stores;
  ASSERT_OK_AND_ASSIGN(const Digest digest, stores.blobs().Put("not one"));
  EXPECT_THAT(stores.trees().Load(digest), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("")));
}

}  // namespace
}  // namespace cairn::tree

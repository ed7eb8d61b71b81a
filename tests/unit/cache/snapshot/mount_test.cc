#include <thread>

#include "tests/unit/cache/snapshot/fixture.h"

namespace cairn::snapshot {
namespace {

using ::testing::ElementsAre;
using ::testing::Le;
using ::testing::SizeIs;

class MountTest : public testing::SnapshotterFixture {
 protected:
  layer::Chain Stack(const std::vector<std::vector<std::string>>& deltas) {
    layer::Chain chain = *chains_.Scratch();
    for (const auto& lines : deltas) {
      chain = *chains_.Append(chain, {testing::MakeTree(stores_, lines), std::nullopt});
    }
    return chain;
  }
};

TEST_F(MountTest, ScratchIsOneEmptyDirectory) {
  const layer::Chain scratch = *chains_.Scratch();
  auto mountable = snapshots_->Mount(scratch, {});
  ASSERT_OK(mountable);
  EXPECT_THAT((*mountable)->lower_directories(), SizeIs(1));
  ExpectShowsItsTree(scratch);
  ExpectShowsItsTree(Run(scratch, "echo 1 > a"));
}

TEST_F(MountTest, UpperLayersComeFirst) {
  const layer::Chain chain = Stack({{"a=1", "b=1"}, {"a=2", "d/e=2"}, {"d/f=3", "b-"}});
  ExpectShowsItsTree(chain);
  EXPECT_THAT((*snapshots_->Mount(chain, {}))->lower_directories(), SizeIs(3));
}

TEST_F(MountTest, ALayerThatComesTwiceIsStackedOnce) {
  const layer::Chain a = Stack({{"a=1", "d/x=1"}});
  const layer::Chain b = Stack({{"b=1", "d/x-", "d/y=1"}});
  const layer::Chain twice = *chains_.Merge({a, b, a, b});
  ExpectShowsItsTree(twice);
  EXPECT_THAT((*snapshots_->Mount(twice, {}))->lower_directories(), SizeIs(2));
}

TEST_F(MountTest, OpaqueRootHidesAllBelow) {
  tree::Directory root;
  root.metadata = tree::DefaultDirectoryMetadata();
  root.opaque = true;
  tree::Entry entry = testing::FileEntry(stores_.blobs(), "2");
  entry.name = "b";
  root.entries = {entry};
  layer::Chain chain = Stack({{"a=1"}});
  chain = *chains_.Append(chain, {*stores_.trees().Store(root), std::nullopt});
  ExpectShowsItsTree(chain);
}

TEST_F(MountTest, WhiteoutsOfNothingAreNotSeen) {
  ExpectShowsItsTree(Stack({{"a/b=1", "a/gone-", "also-"}}));
  ExpectShowsItsTree(Stack({{"a=1"}, {"new/b=1", "new/gone-", "a-", "never-"}}));
}

TEST_F(MountTest, EmptyLayersAreSkipped) {
  const layer::Chain base = ChainOf({"a=1"});
  const layer::Chain chain = Run(Run(base, ":"), ":");
  EXPECT_THAT(chain.layers, SizeIs(3));
  EXPECT_THAT((*snapshots_->Mount(chain, {}))->lower_directories(), SizeIs(1));
}

TEST_F(MountTest, LayerThatOnlyChangesTheRootIsSeen) {
  const layer::Chain chain = Run(ChainOf({"a=1"}), "chmod 711 .");
  ExpectShowsItsTree(chain);
  ExpectShowsItsTree(Run(chain, "echo 1 > b"));
}

TEST_F(MountTest, EqualFilesAreNotOneInode) {
  const std::string big(20000, 'x');
  const layer::Chain chain = ChainOf({"a=" + big, "b=" + big});
  auto mountable = *snapshots_->Mount(chain, {});
  const std::string lower = mountable->lower_directories().front();
  struct stat a, b;
  ASSERT_EQ(::stat((lower + "/a").c_str(), &a), 0);
  ASSERT_EQ(::stat((lower + "/b").c_str(), &b), 0);
  EXPECT_NE(a.st_ino, b.st_ino);
}

TEST_F(MountTest, LongChainsMount) {
  layer::Chain chain = ChainOf({"base=1"});
  for (int i = 0; i < 230; ++i) {
    chain = *chains_.Append(
        chain, {testing::MakeTree(
                    stores_, {absl::StrCat("d/f", i, "=", i), absl::StrCat("d/g", i / 2, "=", i),
                              absl::StrCat("d/f", i / 3 * 2, "=again")}),
                std::nullopt});
  }
  auto mountable = snapshots_->Mount(chain, {});
  ASSERT_OK(mountable);
  EXPECT_THAT((*mountable)->lower_directories().size(), Le(100));
  ExpectShowsItsTree(chain);
  ExpectShowsItsTree(Run(chain, "rm d/f1 && echo new > d/new"));
}

TEST_F(MountTest, ManyCallersShareTheWork) {
  std::vector<std::string> lines;
  for (int i = 0; i < 300; ++i) {
    lines.push_back(absl::StrCat("d", i % 7, "/f", i, "=", i));
  }
  const layer::Chain chain = ChainOf(lines);
  std::vector<std::thread> threads;
  std::vector<Status> statuses(8);
  for (Status& status : statuses) {
    threads.emplace_back([&] { status = snapshots_->Mount(chain, {}).status(); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Status& status : statuses) {
    EXPECT_OK(status);
  }
  EXPECT_EQ(Count(), 1u);
  EXPECT_EQ(CountLeftovers(), 0u);
  ExpectShowsItsTree(chain);
}

TEST_F(MountTest, LostBytesAreNotFoundAndLeaveNothing) {
  const layer::Chain chain = ChainOf({"a=1", "b=2"});
  ASSERT_OK(stores_.blobs().Remove({Digest::Of("2")}, [](const Digest&) {}));
  EXPECT_THAT(snapshots_->Mount(chain, {}),
              testing::StatusIs(absl::StatusCode::kNotFound, ::testing::HasSubstr("b: blob")));
  EXPECT_EQ(Count(), 0u);
  EXPECT_EQ(CountLeftovers(), 0u);
  ASSERT_OK(stores_.blobs().Put("2"));
  ExpectShowsItsTree(chain);
}

TEST_F(MountTest, CancelledMountLeavesNothing) {
  CancelSource source;
  source.Cancel();
  EXPECT_EQ(snapshots_->Mount(ChainOf({"a=1"}), source.token()).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(Count(), 0u);
}

TEST_F(MountTest, HeldSnapshotsStayUnusedOnesGo) {
  const layer::Chain held = ChainOf({"a=1"});
  const layer::Chain unused = ChainOf({"b=" + std::string(100, 'x')});
  auto mountable = *snapshots_->Mount(held, {});
  ASSERT_OK(snapshots_->Mount(unused, {}));
  const uint64_t bytes = *snapshots_->UnusedBytes();
  EXPECT_GT(bytes, 0u);
  EXPECT_THAT(snapshots_->RemoveUnused(1), testing::IsOkAndHolds(bytes));
  EXPECT_EQ(Count(), 1u);
  EXPECT_THAT(snapshots_->RemoveUnused(1), testing::IsOkAndHolds(0u));
  ExpectShowsItsTree(held);
  ExpectShowsItsTree(unused);
}

TEST_F(MountTest, OldestUseGoesFirst) {
  const layer::Chain first = ChainOf({"a=1"});
  const layer::Chain second = ChainOf({"b=2"});
  ASSERT_OK(snapshots_->Mount(first, {}));
  ASSERT_OK(snapshots_->Mount(second, {}));
  ASSERT_OK(snapshots_->Mount(first, {}));
  ASSERT_OK(snapshots_->RemoveUnused(1));
  EXPECT_TRUE(
      std::filesystem::exists(absl::StrCat(root(), "/lower/", first.layers[0].delta.digest.hex())));
  EXPECT_EQ(Count(), 1u);
}

TEST_F(MountTest, OpenKeepsSnapshotsAndRemovesLeftovers) {
  const layer::Chain chain = ChainOf({"a/b=1"});
  ASSERT_OK(snapshots_->Mount(chain, {}));
  std::filesystem::create_directories(root() + "/upper/77/deep/er");
  std::filesystem::create_directories(root() + "/tmp/78/work");
  std::filesystem::create_directories(root() + "/lower/strange");
  Open();
  EXPECT_EQ(CountLeftovers(), 0u);
  EXPECT_EQ(Count(), 1u);
  ExpectShowsItsTree(chain);
  EXPECT_EQ(Count(), 1u);
}

TEST_F(MountTest, ExportWritesRealFiles) {
  const std::string big(20000, 'x');
  const layer::Chain chain = Run(ChainOf({"a/b=1", "big=" + big, "l->a/b"}),
                                 "chmod 4755 a/b; touch -d @1 big; ln big big2; rm l; ln -s big l; "
                                 "mknod p p");
  const testing::TempDir out;
  out.Write("a/kept", "mine");
  out.Write("big", "old");
  ASSERT_OK(snapshots_->Export(chain, out.path(), {}));
  EXPECT_EQ(out.Read("a/kept"), "mine");
  EXPECT_EQ(out.Read("big2"), big);
  struct stat status;
  ASSERT_EQ(::stat((out / "big").c_str(), &status), 0);
  EXPECT_EQ(status.st_nlink, 2u);  // its own link, none of the store
  std::filesystem::remove(out / "a/kept");
  std::vector<std::string> shown = testing::DescribeDirectory(out.path());
  std::vector<std::string> wanted = testing::DescribeTree(stores_, *chains_.TreeOf(chain));
  for (auto* lines : {&shown, &wanted}) {
    lines->erase(lines->begin(), lines->begin() + 2);  // the root, and the directory just changed
  }
  EXPECT_EQ(shown, wanted);
}

}  // namespace
}  // namespace cairn::snapshot

#include "cache/layer/importer.h"

#include "cache/tree/algebra.h"
#include "runtime/fs/compression.h"
#include "tests/unit/cache/layer/tars.h"
#include "tests/unit/cache/stores.h"

namespace cairn::layer {
namespace {

using namespace ::cairn::testing;  // NOLINT: the tar builders
using ::testing::ElementsAre;

class ImporterTest : public ::testing::Test {
 protected:
  StatusOr<ImportedTar> Import(const std::string& tar, bool whiteouts = true) {
    fs::StringSource source(tar);
    return ImportTar(stores_.trees(), source, whiteouts, {});
  }
  std::vector<std::string> Lines(const std::vector<TarMember>& members, bool whiteouts = true) {
    const auto imported = Import(MakeTar(members), whiteouts);
    EXPECT_OK(imported);
    return imported.ok() ? LinesOf(stores_, imported->tree) : std::vector<std::string>();
  }
  Stores stores_;
};

TEST_F(ImporterTest, ReadsEveryKindOfEntry) {
  TarMember fifo;
  fifo.entry = {.path = "fifo", .kind = fs::Kind::kFifo};
  TarMember null;
  null.entry = {.path = "dev/null", .kind = fs::Kind::kCharDevice, .device = 0x103};
  EXPECT_THAT(Lines({TarDirectory("./"), TarDirectory("dir/"), TarFile("dir/f", "1"),
                     TarSymlink("link", "dir/f"), fifo, TarDirectory("dev"), null}),
              ElementsAre("dev/", "dev/null device 259", "dir/", "dir/f=1", "fifo device 0",
                          "link->dir/f"));
}

TEST_F(ImporterTest, KeepsMetadata) {
  TarMember file = TarFile("f", "x", 04755);
  file.entry.metadata.uid = 1000;
  file.entry.metadata.gid = 1001;
  file.entry.metadata.mtime_ns = 5'000'000'000;
  file.entry.metadata.xattrs["user.k"] = "v";
  ASSERT_OK_AND_ASSIGN(const ImportedTar imported,
                       Import(MakeTar({file, TarDirectory(".", 0711)})));
  ASSERT_OK_AND_ASSIGN(const auto root, stores_.trees().Load(imported.tree.digest));
  EXPECT_EQ(root->metadata.mode, 0711u);
  EXPECT_EQ(root->entries[0].metadata, file.entry.metadata);
}

TEST_F(ImporterTest, TellsTheDigestOfThePlainTar) {
  const std::string tar = MakeTar({TarFile("f", std::string(3'000'000, 'x'))});
  for (const fs::Encoding encoding :
       {fs::Encoding::kNone, fs::Encoding::kGzip, fs::Encoding::kZstd}) {
    const std::string bytes = encoding == fs::Encoding::kNone ? tar : *fs::Compress(encoding, tar);
    ASSERT_OK_AND_ASSIGN(const ImportedTar imported, Import(bytes));
    EXPECT_EQ(imported.diff_id, Digest::Of(tar));
    EXPECT_EQ(imported.tree.bytes, 3'000'000u);
  }
  // Bytes after the end of the archive belong to the digest.
  EXPECT_EQ(Import(tar + std::string(5000, '\0'))->diff_id,
            Digest::Of(tar + std::string(5000, '\0')));
}

TEST_F(ImporterTest, WhiteoutsBecomeTheDeltas) {
  EXPECT_THAT(Lines({TarDirectory("a"), TarFile("a/.wh.gone", ""), TarFile("a/.wh..wh..opq", ""),
                     TarFile("a/new", "1"), TarFile(".wh.b", ""), TarFile(".wh..wh.plnk", "")}),
              ElementsAre("a/!", "a/gone-", "a/new=1", "b-"));
}

TEST_F(ImporterTest, AWhiteoutTouchesOnlyLayersBelow) {
  EXPECT_THAT(Lines({TarFile("f", "1"), TarFile(".wh.f", "")}), ElementsAre("f=1"));
  EXPECT_THAT(Lines({TarFile(".wh.f", ""), TarFile("f", "1")}), ElementsAre("f=1"));
  EXPECT_THAT(Lines({TarDirectory("d"), TarFile("d/x", "1"), TarFile(".wh.d", "")}),
              ElementsAre("d/!", "d/x=1"));
  EXPECT_THAT(Lines({TarFile(".wh.d", ""), TarDirectory("d"), TarFile("d/x", "1")}),
              ElementsAre("d/!", "d/x=1"));
  EXPECT_THAT(Lines({TarFile(".wh.d", ""), TarFile("d/x", "1")}), ElementsAre("d/!?", "d/x=1"));
}

TEST_F(ImporterTest, WithoutWhiteoutsTheNamesAreOrdinary) {
  EXPECT_THAT(Lines({TarFile(".wh.f", "1"), TarFile("d/.wh..wh..opq", "2")}, false),
              ElementsAre(".wh.f=1", "d/?", "d/.wh..wh..opq=2"));
}

TEST_F(ImporterTest, ParentsThatTheTarLeavesOutAreImplied) {
  EXPECT_THAT(Lines({TarFile("a/b/f", "1"), TarDirectory("a/b", 0700)}),
              ElementsAre("a/?", "a/b/", "a/b/f=1"));
}

TEST_F(ImporterTest, LaterEntriesReplaceEarlierOnes) {
  EXPECT_THAT(Lines({TarFile("f", "1"), TarFile("f", "2")}), ElementsAre("f=2"));
  EXPECT_THAT(Lines({TarDirectory("d"), TarFile("d/x", "1"), TarFile("d", "now a file")}),
              ElementsAre("d=now a file"));
  EXPECT_THAT(Lines({TarFile("d", "1"), TarDirectory("d"), TarFile("d/x", "2")}),
              ElementsAre("d/", "d/x=2"));
  EXPECT_THAT(Lines({TarDirectory("d", 0700), TarFile("d/x", "1"), TarDirectory("d")}),
              ElementsAre("d/", "d/x=1"));
}

TEST_F(ImporterTest, HardLinksShareAGroup) {
  ASSERT_OK_AND_ASSIGN(
      const ImportedTar imported,
      Import(MakeTar({TarFile("a", "1"), TarHardLink("b", "a"), TarHardLink("d/c", "./b"),
                      TarFile("alone", "1"), TarFile("was", "2"), TarHardLink("is", "was"),
                      TarFile("was", "3")})));
  const auto group = [&](const char* path) {
    return tree::Lookup(stores_.trees(), imported.tree, path, false)->entry.link_group;
  };
  EXPECT_NE(group("a"), 0u);
  EXPECT_EQ(group("a"), group("b"));
  EXPECT_EQ(group("a"), group("d/c"));
  EXPECT_EQ(group("alone"), 0u);
  EXPECT_EQ(group("is"), 0u);
  EXPECT_EQ(group("was"), 0u);
}

TEST_F(ImporterTest, EqualTarsGiveEqualTrees) {
  const std::string tar = MakeTar({TarFile("a", "1"), TarHardLink("b", "a"), TarDirectory("d")});
  EXPECT_EQ(Import(tar)->tree, Import(tar)->tree);
}

TEST_F(ImporterTest, AnEmptyTarIsAnEmptyDelta) {
  ASSERT_OK_AND_ASSIGN(const ImportedTar imported, Import(MakeTar({})));
  EXPECT_EQ(imported.tree.entries, 0u);
}

TEST_F(ImporterTest, StopsWhenCancelled) {
  CancelSource cancel;
  cancel.Cancel();
  fs::StringSource source(MakeTar({TarFile("f", "1")}));
  EXPECT_THAT(ImportTar(stores_.trees(), source, true, cancel.token()),
              StatusIs(absl::StatusCode::kCancelled, ::testing::_));
}

}  // namespace
}  // namespace cairn::layer

#include "cache/layer/exporter.h"

#include <random>

#include "cache/layer/chain_store.h"
#include "cache/layer/chunked_compression.h"
#include "cache/layer/importer.h"
#include "cache/tree/link_groups.h"
#include "runtime/fs/compression.h"
#include "tests/unit/cache/layer/tars.h"
#include "tests/unit/cache/stores.h"

namespace cairn::layer {
namespace {

using namespace ::cairn::testing;  // NOLINT: the tar builders
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ExporterTest : public ::testing::Test {
 protected:
  LayerBlob Export(const tree::TreeRef& delta, const LayerOptions& options = {}) {
    const auto blob = exporter_.Export(Layer{delta, std::nullopt}, options, {});
    EXPECT_OK(blob);
    return *blob;
  }
  std::string Plain(const LayerBlob& blob) {
    const std::string bytes = *stores_.blobs().Read(blob.digest, 1 << 30);
    return *fs::Decompress(fs::DetectEncoding(bytes.substr(0, 6)), bytes, 1 << 30);
  }
  std::string RandomBytes(size_t size, uint32_t seed) {
    std::mt19937 random(seed);
    std::string bytes(size, '\0');
    for (char& c : bytes) {
      c = static_cast<char>('a' + random() % 16);
    }
    return bytes;
  }
  Stores stores_;
  LayerExporter exporter_{stores_.trees(), stores_.database()};
};

TEST_F(ExporterTest, WritesWhatAnImportReadsBack) {
  const tree::TreeRef delta = MakeTree(
      stores_, {"a/b/f=1", "a/gone-", "a/l->b", "empty/", "z=2", std::string(150, 'n') + "=3"});
  for (const Compression compression :
       {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    const LayerBlob blob = Export(delta, {.compression = compression});
    const std::string tar = Plain(blob);
    EXPECT_EQ(blob.diff_id, Digest::Of(tar));
    fs::StringSource source(tar);
    ASSERT_OK_AND_ASSIGN(const ImportedTar back, ImportTar(stores_.trees(), source, true, {}));
    EXPECT_EQ(LinesOf(stores_, back.tree), LinesOf(stores_, delta));
  }
}

TEST_F(ExporterTest, OrdersEntriesAndNamesWhiteouts) {
  const tree::TreeRef delta = MakeTree(stores_, {"b/y=1", "b/x-", "a.c=2", "a/z=3"});
  EXPECT_THAT(TarNames(Plain(Export(delta))),
              ElementsAre("a/", "a/z", "a.c", "b/", "b/.wh.x", "b/y"));
}

TEST_F(ExporterTest, OpaqueDirectoriesHaveAMarker) {
  tree::Directory inner = **stores_.trees().Load(MakeTree(stores_, {"f=1"}).digest);
  inner.opaque = true;
  tree::Entry entry;
  entry.type = tree::Entry::Type::kDirectory;
  entry.directory = *stores_.trees().Store(inner);
  tree::Editor editor(stores_.trees(), std::nullopt);
  ASSERT_OK(editor.Put("d", entry));
  EXPECT_THAT(TarNames(Plain(Export(*editor.Commit()))),
              ElementsAre("d/", "d/.wh..wh..opq", "d/f"));
}

TEST_F(ExporterTest, LaterLinksOfAGroupAreHardLinks) {
  tree::Entry file = FileEntry(stores_.blobs(), "shared");
  file.link_group = tree::LinkGroupOf("a", file);
  tree::Entry changed = FileEntry(stores_.blobs(), "other bytes");
  changed.link_group = file.link_group;
  tree::Editor editor(stores_.trees(), MakeTree(stores_, {"d/"}));
  ASSERT_OK(editor.Put("a", file));
  ASSERT_OK(editor.Put("d/b", file));
  ASSERT_OK(editor.Put("c", changed));
  EXPECT_THAT(TarNames(Plain(Export(*editor.Commit()))), ElementsAre("a", "c", "d/", "d/b = a"));
}

TEST_F(ExporterTest, AnEmptyDeltaIsAnEmptyTar) {
  const std::string tar = Plain(Export(MakeTree(stores_, {})));
  EXPECT_EQ(tar, MakeTar({}));
}

TEST_F(ExporterTest, ClampsTimes) {
  tree::Entry file = FileEntry(stores_.blobs(), "1");
  file.metadata.mtime_ns = 2000'500'000'000;
  tree::Editor editor(stores_.trees(), std::nullopt);
  ASSERT_OK(editor.Put("new", file));
  file.metadata.mtime_ns = 500'000'000'000;
  ASSERT_OK(editor.Put("old", file));
  const auto members = ReadTar(Plain(Export(*editor.Commit(), {.clamp_mtime = 1000})));
  EXPECT_EQ(members[0].entry.metadata.mtime_ns, 1000'000'000'000);
  EXPECT_EQ(members[1].entry.metadata.mtime_ns, 500'000'000'000);
}

TEST_F(ExporterTest, TheSameLayerIsMadeOnce) {
  const tree::TreeRef delta = MakeTree(stores_, {"f=1"});
  const LayerBlob first = Export(delta);
  LayerExporter later(stores_.trees(), stores_.database());
  ASSERT_OK_AND_ASSIGN(const LayerBlob second, later.Export(Layer{delta, std::nullopt}, {}, {}));
  EXPECT_EQ(first.digest, second.digest);
  EXPECT_EQ(second.media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
  // A blob that was collected is made again, the same.
  ASSERT_OK(stores_.blobs().Remove({first.digest}, [](const Digest&) {}));
  EXPECT_EQ(Export(delta).digest, first.digest);
  EXPECT_OK(stores_.blobs().Stat(first.digest));
}

TEST_F(ExporterTest, OriginalsAreUsedAsTheyAre) {
  ASSERT_OK_AND_ASSIGN(const Digest blob, stores_.blobs().Put("the registry's bytes"));
  const Layer layer{MakeTree(stores_, {"f=1"}),
                    OriginalBlob{"application/vnd.docker.image.rootfs.diff.tar.gzip",
                                 blob,
                                 20,
                                 blob,
                                 "docker.io/library/x",
                                 {}}};
  ASSERT_OK_AND_ASSIGN(LayerBlob exported, exporter_.Export(layer, {}, {}));
  EXPECT_EQ(exported.digest, blob);
  EXPECT_EQ(exported.media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
  EXPECT_EQ(exported.origin, "docker.io/library/x");

  const LayerOptions zstd{.compression = Compression::kZstd};
  EXPECT_EQ(exporter_.Export(layer, zstd, {})->digest, blob);
  const LayerOptions forced{.compression = Compression::kZstd, .force = true};
  EXPECT_NE(exporter_.Export(layer, forced, {})->digest, blob);
  ASSERT_OK(stores_.blobs().Remove({blob}, [](const Digest&) {}));
  EXPECT_NE(exporter_.Export(layer, {}, {})->digest, blob);
}

// Observed: the layer was packed anew, so that the base image's layers had other diff IDs.
TEST_F(ExporterTest, RecompressingKeepsTheTarOfTheOriginal) {
  // No tar that this exporter would write; larger than a chunk.
  const std::string tar = RandomBytes(3'000'000, 5);
  ASSERT_OK_AND_ASSIGN(const std::string packed, fs::Compress(fs::Encoding::kGzip, tar));
  ASSERT_OK_AND_ASSIGN(const Digest blob, stores_.blobs().Put(packed));
  Layer layer{MakeTree(stores_, {"f=1"}),
              OriginalBlob{"application/vnd.oci.image.layer.v1.tar+gzip",
                           blob,
                           packed.size(),
                           Digest::Of(tar),
                           "",
                           {}}};
  for (const Compression compression : {Compression::kZstd, Compression::kNone}) {
    const LayerOptions forced{.compression = compression, .force = true, .clamp_mtime = 1};
    ASSERT_OK_AND_ASSIGN(const LayerBlob made, exporter_.Export(layer, forced, {}));
    EXPECT_EQ(made.diff_id, Digest::Of(tar));
    EXPECT_EQ(Plain(made), tar);
    EXPECT_EQ(exporter_.Export(layer, forced, {})->digest, made.digest);
  }
  layer.original->diff_id = Digest::Of("else");
  EXPECT_THAT(
      exporter_.Export(layer, {.compression = Compression::kZstd, .level = 5, .force = true}, {}),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr(Digest::Of("else").ToString())));
}

// Images for Windows name the URLs of layers that registries are not to hold; these were refused.
TEST_F(ExporterTest, ForeignLayersStayForeignOnlyWhenAskedFor) {
  ASSERT_OK_AND_ASSIGN(const Digest blob, stores_.blobs().Put("the vendor's bytes"));
  const Layer layer{MakeTree(stores_, {"f=1"}),
                    OriginalBlob{"application/vnd.docker.image.rootfs.foreign.diff.tar",
                                 blob,
                                 18,
                                 Digest::Of("diff"),
                                 "host/x",
                                 {"https://vendor.example/layer"}}};
  const LayerOptions kept{.oci_media_types = false, .keep_nondistributable = true};
  ASSERT_OK_AND_ASSIGN(const LayerBlob foreign, exporter_.Export(layer, kept, {}));
  EXPECT_EQ(foreign.media_type, "application/vnd.docker.image.rootfs.foreign.diff.tar");
  EXPECT_THAT(foreign.urls, ::testing::ElementsAre("https://vendor.example/layer"));

  ASSERT_OK_AND_ASSIGN(const LayerBlob plain,
                       exporter_.Export(layer, {.oci_media_types = false}, {}));
  EXPECT_EQ(plain.media_type, "application/vnd.docker.image.rootfs.diff.tar");
  EXPECT_TRUE(plain.urls.empty());
  EXPECT_EQ(plain.digest, blob);
}

TEST_F(ExporterTest, OneChangedFileRecompressesOneChunk) {
  std::vector<std::string> lines;
  for (int i = 0; i < 400; ++i) {
    lines.push_back(absl::StrCat("d/f", 1000 + i, "=", RandomBytes(20'000, i)));
  }
  lines.push_back("big=" + RandomBytes(5'000'000, 77));
  ThreadPool pool("test", 2);
  const auto compress = [&](const tree::TreeRef& delta) {
    const CancelToken cancel;
    auto compression = ChunkedCompression::Create({stores_.blobs(), stores_.database(), pool},
                                                  fs::Encoding::kGzip, std::nullopt, cancel);
    EXPECT_OK(WriteTarStream(stores_.trees(), delta, {}, **compression, cancel));
    return *(*compression)->Finish();
  };
  const CompressedLayer first = compress(MakeTree(stores_, lines));
  EXPECT_GT(first.chunks, 15u);
  EXPECT_EQ(first.reused_chunks, 0u);

  lines[200] += "and more";
  const CompressedLayer second = compress(MakeTree(stores_, lines));
  EXPECT_LE(second.chunks - second.reused_chunks, 2u);
  const std::string bytes = *stores_.blobs().Read(second.blob.digest);
  ASSERT_OK_AND_ASSIGN(const std::string plain,
                       fs::Decompress(fs::Encoding::kGzip, bytes, 1 << 30));
  EXPECT_EQ(Digest::Of(plain), second.diff_id);
}

TEST_F(ExporterTest, SaysWhichFilesBytesAreGone) {
  const tree::TreeRef delta = MakeTree(stores_, {"d/f=gone soon"});
  ASSERT_OK(stores_.blobs().Remove({Digest::Of("gone soon")}, [](const Digest&) {}));
  EXPECT_THAT(exporter_.Export(Layer{delta, std::nullopt}, {}, {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("write d/f")));
}

// Layers of BuildKit have neither, so that an image's would differ for nothing.
TEST_F(ExporterTest, TouchedDirectoriesAreThereOnlyForWhatIsBelow) {
  const tree::TreeRef before = MakeTree(stores_, {"a/b/", "a/c/f=1", "d/e/f=1"});
  tree::Editor editor(stores_.trees(), before);
  for (const char* path : {"a", "a/b", "a/c", "d", "d/e"}) {
    ASSERT_OK(editor.SetDirectoryMetadata(path, {.mode = 0755, .mtime_ns = 5}));
  }
  ASSERT_OK(editor.Put("d/e/g", FileEntry(stores_.blobs(), "2")));
  ASSERT_OK_AND_ASSIGN(const auto delta, tree::Diff(stores_.trees(), before, *editor.Commit()));
  EXPECT_THAT(TarNames(Plain(Export(*delta))), ElementsAre("d/", "d/e/", "d/e/g"));
}

TEST_F(ExporterTest, OfExtendedAttributesOnlyCapabilitiesAreInLayers) {
  tree::Editor editor(stores_.trees(), std::nullopt);
  tree::Entry file = FileEntry(stores_.blobs(), "1");
  file.metadata.xattrs = {{"security.capability", "c"}, {"user.k", "v"}};
  ASSERT_OK(editor.Put("f", file));
  const std::string tar = Plain(Export(*editor.Commit()));
  EXPECT_THAT(tar, HasSubstr("SCHILY.xattr.security.capability=c"));
  EXPECT_THAT(tar, Not(HasSubstr("user.k")));
}

TEST_F(ExporterTest, RootHasNoEntry) {
  tree::Editor editor(stores_.trees(), std::nullopt);
  ASSERT_OK(editor.SetDirectoryMetadata("", {.mode = 0700}));
  ASSERT_OK(editor.Put("f", FileEntry(stores_.blobs(), "1")));
  EXPECT_THAT(TarNames(Plain(Export(*editor.Commit()))), ElementsAre("f"));
}

TEST_F(ExporterTest, StopsWhenCancelled) {
  CancelSource cancel;
  cancel.Cancel();
  EXPECT_THAT(exporter_.Export(Layer{MakeTree(stores_, {"f=1"}), std::nullopt}, {}, cancel.token()),
              StatusIs(absl::StatusCode::kCancelled, _));
}

}  // namespace
}  // namespace cairn::layer

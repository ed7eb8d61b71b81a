// Caches written to a place and read back, and layers brought in from it.
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "cache/gc/ledger.h"
#include "cache/layer/chain_store.h"
#include "cache/layer/exporter.h"
#include "cache/registry/manifest.h"
#include "cache/remote/layer_intake.h"
#include "cache/remote/reader.h"
#include "cache/remote/writer.h"
#include "tests/unit/cache/remote/memory_place.h"
#include "tests/unit/cache/stores.h"

namespace cairn::remote {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A daemon's stores.
struct Daemon {
  testing::Stores stores;
  layer::ChainStore chains{stores.trees(), stores.database()};
  layer::LayerExporter layers{stores.trees(), stores.database()};
  std::unique_ptr<gc::Ledger> ledger = *gc::Ledger::Open(stores.database(), stores.trees());
  std::unique_ptr<gc::Lease> lease = ledger->NewLease();
  LayerIntake intake{chains, layers, *ledger};
};

class CacheTest : public ::testing::Test {
 protected:
  // Has `here_` make a layer with these files, and write a cache with it to `place_`.
  void Write(const std::vector<std::string>& files, const CacheFormat& format = {}) {
    ASSERT_OK_AND_ASSIGN(made_, here_.chains.Single(testing::MakeTree(here_.stores, files)));
    ASSERT_OK_AND_ASSIGN(
        const layer::LayerBlob blob,
        here_.layers.Export(made_.layers[0], {.compression = layer::Compression::kZstd}, {}));
    blob_ = blob.digest;
    CacheContent content;
    content.document.layers.push_back(
        {.blob = {.media_type = blob.media_type, .digest = blob.digest, .size = blob.size},
         .diff_id = blob.diff_id,
         .created = absl::FromUnixSeconds(1'700'000'000)});
    content.document.records.push_back(
        {.key = Digest::Of("key"),
         .outputs = {{.base_input = -1, .content = made_.content, .layers = {{0}}}},
         .selections = {},
         .duration = {}});
    content.origins.emplace_back();
    const auto step = [](const std::string&, const std::function<Status()>& work) {
      return work();
    };
    ASSERT_OK(WriteCache(here_.stores.blobs(), content, format, place_, step, {}).status());
  }

  StatusOr<layer::Chain> BringIn(const DocumentLayer& layer) {
    ASSIGN_OR_RETURN(const layer::Chain scratch, there_.chains.Scratch());
    return there_.intake.Put(scratch, layer, place_, *there_.lease, {});
  }

  Daemon here_;
  Daemon there_;
  testing::MemoryPlace place_;
  layer::Chain made_{.layers = {}, .content = Digest::Of("")};
  Digest blob_ = Digest::Of("");
};

TEST_F(CacheTest, IsReadBackFromAManifestAndFromAnIndex) {
  for (const CacheFormat& format :
       {CacheFormat{}, CacheFormat{.oci_media_types = true, .image_manifest = false},
        CacheFormat{.oci_media_types = false, .image_manifest = false}}) {
    Write({"a=one"}, format);
    ASSERT_OK_AND_ASSIGN(const FoundCache found, ReadCache(place_, {}));
    EXPECT_EQ(found.media_type, place_.top->media_type);
    ASSERT_THAT(found.documents, SizeIs(1));
    ASSERT_THAT(found.documents[0].records, SizeIs(1));
    ASSERT_THAT(found.documents[0].layers, SizeIs(1));
    EXPECT_EQ(found.documents[0].layers[0].blob.digest, blob_);
  }
}

TEST_F(CacheTest, ALayerThatIsBroughtInIsExportedWithTheSameBytesAndTime) {
  Write({"dir/", "dir/a=one"});
  ASSERT_OK_AND_ASSIGN(const FoundCache found, ReadCache(place_, {}));
  ASSERT_OK_AND_ASSIGN(const layer::Chain chain, BringIn(found.documents[0].layers[0]));
  EXPECT_EQ(chain.content, made_.content);
  ASSERT_OK_AND_ASSIGN(
      const layer::LayerBlob blob,
      there_.layers.Export(chain.layers[0], {.compression = layer::Compression::kZstd}, {}));
  EXPECT_EQ(blob.digest, blob_);
  EXPECT_THAT(there_.layers.FirstExported(chain.layers[0], absl::Now()),
              testing::IsOkAndHolds(absl::FromUnixSeconds(1'700'000'000)));
}

TEST_F(CacheTest, BytesThatAreNotWhatWasAnnouncedAreNotBroughtIn) {
  Write({"a=one"});
  ASSERT_OK_AND_ASSIGN(const FoundCache found, ReadCache(place_, {}));
  place_.blobs[blob_] += "more";
  EXPECT_THAT(BringIn(found.documents[0].layers[0]), StatusIs(absl::StatusCode::kDataLoss, _));
  place_.blobs.erase(blob_);
  EXPECT_THAT(BringIn(found.documents[0].layers[0]), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(there_.stores.blobs().Contains(blob_), testing::IsOkAndHolds(false));
}

TEST_F(CacheTest, ALayerWithAnotherDiffIdIsNotBroughtIn) {
  Write({"a=one"});
  ASSERT_OK_AND_ASSIGN(const FoundCache found, ReadCache(place_, {}));
  DocumentLayer layer = found.documents[0].layers[0];
  layer.diff_id = Digest::Of("another");
  EXPECT_THAT(BringIn(layer), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("the cache says")));
}

TEST_F(CacheTest, AnImageCarriesOneInline) {
  Write({"a=one"});
  ASSERT_OK_AND_ASSIGN(const FoundCache written, ReadCache(place_, {}));
  const DocumentLayer& layer = written.documents[0].layers[0];
  const nlohmann::json config = {
      {"architecture", "amd64"},
      {"os", "linux"},
      {"rootfs", {{"type", "layers"}, {"diff_ids", {layer.diff_id->ToString()}}}},
      {"history", {{{"empty_layer", true}}, {{"created", "2026-01-02T03:04:05Z"}}}},
      {kInlineCacheKey, absl::Base64Escape(EncodeRecords(written.documents[0].records))}};
  const std::string text = config.dump();
  place_.blobs[Digest::Of(text)] = text;
  registry::Manifest manifest{.media_type = registry::media_type::kOciManifest,
                              .config = {.media_type = registry::media_type::kOciConfig,
                                         .digest = Digest::Of(text),
                                         .size = text.size()},
                              .layers = {layer.blob}};
  const std::string image = registry::SerializeManifest(manifest);
  registry::Index index{.media_type = registry::media_type::kOciIndex};
  index.manifests.push_back(
      {.media_type = manifest.media_type, .digest = Digest::Of(image), .size = image.size()});
  index.manifests.push_back({.media_type = manifest.media_type,
                             .digest = Digest::Of("an image that is gone"),
                             .size = 7});
  const std::string list = registry::SerializeIndex(index);
  ASSERT_OK(place_.PutManifest({.media_type = manifest.media_type, .digest = Digest::Of(image)},
                               image, {}));
  ASSERT_OK(
      place_.PutManifest({.media_type = index.media_type, .digest = Digest::Of(list)}, list, {}));
  ASSERT_OK_AND_ASSIGN(const FoundCache found, ReadCache(place_, {}));
  ASSERT_THAT(found.documents, SizeIs(1));
  EXPECT_THAT(found.documents[0].records, SizeIs(1));
  EXPECT_EQ(found.documents[0].layers[0].diff_id, layer.diff_id);
  EXPECT_EQ(absl::ToUnixSeconds(found.documents[0].layers[0].created), 1767323045);
}

TEST_F(CacheTest, APlaceWithoutACacheIsAnError) {
  EXPECT_THAT(ReadCache(place_, {}), StatusIs(absl::StatusCode::kNotFound, _));
  ASSERT_OK(place_.PutManifest({.media_type = "", .digest = Digest::Of("x")}, "x", {}));
  EXPECT_THAT(ReadCache(place_, {}), StatusIs(absl::StatusCode::kInvalidArgument, _));
}

}  // namespace
}  // namespace cairn::remote

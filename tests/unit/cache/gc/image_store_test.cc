#include "cache/gc/image_store.h"

#include "tests/unit/cache/gc/gc_testing.h"

namespace cairn::gc {
namespace {

using ::testing::IsEmpty;
using testing::StatusIs;

class ImageStoreTest : public LedgerTest {
 protected:
  ImageStoreTest() : images_(*database_, *blobs_, *ledger_, clock_) {}

  Image MakeImage(const std::string& name, const std::string& manifest) {
    return {.name = name,
            .media_type = "application/vnd.oci.image.manifest.v1+json",
            .digest = PutBlob(manifest),
            .size = manifest.size(),
            .labels = {{"a", "1"}, {"b", ""}}};
  }

  ImageStore images_;
};

TEST_F(ImageStoreTest, ImageComesBackWhole) {
  const Image image = MakeImage("docker.io/library/app:latest", "manifest");
  ASSERT_OK(images_.Put(image, {image.digest, PutBlob("config")}));
  ASSERT_OK_AND_ASSIGN(const auto found, images_.Get(image.name));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->name, image.name);
  EXPECT_EQ(found->media_type, image.media_type);
  EXPECT_EQ(found->digest, image.digest);
  EXPECT_EQ(found->size, image.size);
  EXPECT_EQ(found->labels, image.labels);
  EXPECT_EQ(found->created, clock_.Now());
  EXPECT_EQ(RecordOf("image:docker.io/library/app:latest").size, StoredBytes());
}

TEST_F(ImageStoreTest, MovedNameKeepsItsAgeAndDropsTheOldImage) {
  const Image first = MakeImage("app", "first");
  ASSERT_OK(images_.Put(first, {first.digest}));
  const absl::Time created = clock_.Now();
  clock_.Advance(absl::Hours(1));
  const Image second = MakeImage("app", "second");
  ASSERT_OK(images_.Put(second, {second.digest}));
  ASSERT_OK_AND_ASSIGN(const auto found, images_.Get("app"));
  EXPECT_EQ(found->digest, second.digest);
  EXPECT_EQ(found->created, created);
  EXPECT_EQ(found->updated, clock_.Now());
  EXPECT_FALSE(Stored(first.digest));
}

TEST_F(ImageStoreTest, ImageWithAMissingBlobIsRefused) {
  const Image image = MakeImage("app", "manifest");
  EXPECT_THAT(images_.Put(image, {image.digest, Digest::Of("absent")}),
              StatusIs(absl::StatusCode::kNotFound, ::testing::_));
  ASSERT_OK_AND_ASSIGN(const auto found, images_.Get("app"));
  EXPECT_FALSE(found.has_value());
}

TEST_F(ImageStoreTest, RemovalOfTheRecordForgetsTheName) {
  const Image image = MakeImage("app", "manifest");
  ASSERT_OK(images_.Put(image, {image.digest}));
  ASSERT_OK(ledger_->Remove(ImageStore::IdentityOf("app")));
  ASSERT_OK_AND_ASSIGN(const auto images, images_.List());
  EXPECT_THAT(images, IsEmpty());
}

TEST_F(ImageStoreTest, RemoveTakesWhatNoOtherImageNeeds) {
  const Image app = MakeImage("app", "manifest 1");
  const Image tool = MakeImage("tool", "manifest 2");
  const Digest base = PutBlob("base layer");
  ASSERT_OK(images_.Put(app, {app.digest, base}));
  ASSERT_OK(images_.Put(tool, {tool.digest, base}));
  ASSERT_OK(images_.Remove("app"));
  EXPECT_FALSE(Stored(app.digest));
  EXPECT_TRUE(Stored(base));
  ASSERT_OK_AND_ASSIGN(const auto images, images_.List());
  ASSERT_EQ(images.size(), 1u);
  EXPECT_EQ(images[0].name, "tool");
  EXPECT_THAT(images_.Remove("app"), StatusIs(absl::StatusCode::kNotFound, ::testing::_));
}

}  // namespace
}  // namespace cairn::gc

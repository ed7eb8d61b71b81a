// The client against the registry that everybody runs (Debian's docker-registry).

#include "absl/strings/str_cat.h"
#include "cache/registry/client.h"
#include "cache/registry/manifest.h"
#include "tests/unit/cache/registry/local_registry.h"
#include "tests/unit/testing.h"

namespace cairn::registry {
namespace {

using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

class DockerRegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = cairn::testing::LocalRegistry::Start();
    if (!started.ok()) {
      GTEST_SKIP() << started.status();
    }
    registry_ = *std::move(started);
  }

  ImageReference Image(const std::string& rest) {
    return *ImageReference::Parse(absl::StrCat(registry_->address(), "/", rest));
  }

  static RegistryClient::BlobUpload UploadOf(const std::string& blob) {
    return {.descriptor = {.media_type = media_type::kOciLayer,
                           .digest = Digest::Of(blob),
                           .size = blob.size()},
            .open = [blob]() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
              return std::make_unique<fs::StringSource>(blob);
            }};
  }

  // Pushes an image of one layer and returns its descriptor.
  Descriptor PushImage(const ImageReference& reference, const std::string& layer) {
    const std::string config = R"({"architecture":"amd64","os":"linux"})";
    EXPECT_OK(client_.PushBlob(reference, UploadOf(config), access_));
    EXPECT_OK(client_.PushBlob(reference, UploadOf(layer), access_));
    Manifest manifest{.media_type = media_type::kOciManifest,
                      .config = UploadOf(config).descriptor,
                      .layers = {UploadOf(layer).descriptor}};
    manifest.config.media_type = media_type::kOciConfig;
    const std::string document = SerializeManifest(manifest);
    const Descriptor descriptor{.media_type = media_type::kOciManifest,
                                .digest = Digest::Of(document),
                                .size = document.size()};
    EXPECT_OK(client_.PushManifest(reference, descriptor, document, access_));
    return descriptor;
  }

  std::unique_ptr<cairn::testing::LocalRegistry> registry_;
  net::HttpClient http_;
  SystemClock clock_;
  NoCredentials nobody_;
  Access access_{.credentials = nobody_};
  RegistryClient client_{http_, HostTable(), clock_};
};

TEST_F(DockerRegistryTest, PushResolvePull) {
  const std::string layer(5'000'000, 'L');
  const Descriptor pushed = PushImage(Image("team/app:v1"), layer);
  ASSERT_OK_AND_ASSIGN(const Descriptor found, client_.Resolve(Image("team/app:v1"), access_));
  EXPECT_EQ(found, pushed);
  ASSERT_OK_AND_ASSIGN(const std::string document,
                       client_.FetchManifest(Image("team/app"), found, access_));
  ASSERT_OK_AND_ASSIGN(const Manifest manifest, ParseManifest(document));
  std::string out;
  fs::StringSink sink(&out);
  uint64_t last = 0;
  ASSERT_OK(client_.FetchBlob(Image("team/app"), manifest.layers[0], sink, access_,
                              [&last](uint64_t bytes) { last = bytes; }));
  EXPECT_TRUE(out == layer);
  EXPECT_EQ(last, layer.size());
  ASSERT_OK_AND_ASSIGN(const Descriptor by_digest,
                       client_.Resolve(Image("team/app").WithDigest(pushed.digest), access_));
  EXPECT_EQ(by_digest.digest, pushed.digest);
}

TEST_F(DockerRegistryTest, BlobsAreKnownAndMounted) {
  const auto upload = UploadOf("shared layer");
  EXPECT_THAT(client_.PushBlob(Image("one"), upload, access_),
              IsOkAndHolds(PushOutcome::kUploaded));
  EXPECT_THAT(client_.PushBlob(Image("one"), upload, access_), IsOkAndHolds(PushOutcome::kExisted));
  auto mount = upload;
  mount.mount_from = "one";
  mount.open = []() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
    return absl::InternalError("a mounted blob is not read");
  };
  EXPECT_THAT(client_.PushBlob(Image("two"), mount, access_), IsOkAndHolds(PushOutcome::kMounted));
  auto no_source = UploadOf("another layer");
  no_source.mount_from = "one";
  EXPECT_THAT(client_.PushBlob(Image("two"), no_source, access_),
              IsOkAndHolds(PushOutcome::kUploaded));
}

TEST_F(DockerRegistryTest, EmptyBlobAndPushByDigest) {
  EXPECT_OK(client_.PushBlob(Image("empty"), UploadOf(""), access_));
  const Descriptor pushed =
      PushImage(*ImageReference::Parse(absl::StrCat(registry_->address(), "/bydigest@",
                                                    Digest::Of("unused").ToString())),
                "l");
  ASSERT_OK(client_.Resolve(Image("bydigest").WithDigest(pushed.digest), access_));
  EXPECT_THAT(client_.Resolve(Image("bydigest:latest"), access_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("not found")));
}

TEST_F(DockerRegistryTest, AWrongDigestIsRefusedByTheRegistry) {
  auto upload = UploadOf("right");
  upload.open = []() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
    return std::make_unique<fs::StringSource>("wrong");
  };
  EXPECT_THAT(client_.PushBlob(Image("x"), upload, access_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("digest")));
}

TEST_F(DockerRegistryTest, ADeadRegistryIsUnavailable) {
  registry_->Kill();
  EXPECT_THAT(client_.Resolve(Image("x"), access_),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("127.0.0.1")));
}

}  // namespace
}  // namespace cairn::registry

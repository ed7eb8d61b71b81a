#include "cache/registry/manifest.h"

#include "absl/strings/str_cat.h"
#include "tests/unit/testing.h"

namespace cairn::registry {
namespace {

using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

std::string DescriptorJson(const std::string& rest = "") {
  return absl::StrCat("{\"mediaType\":\"m\",\"digest\":\"", Digest::Of("x").ToString(),
                      "\",\"size\":1", rest, "}");
}

Descriptor ForPlatform(const std::string& text, int id) {
  Descriptor descriptor{
      .media_type = media_type::kOciManifest, .digest = Digest::Of(absl::StrCat(id)), .size = 1};
  descriptor.platform = *Platform::Parse(text);
  return descriptor;
}

TEST(ManifestTest, RoundTripInTheSpecificationsOrder) {
  Manifest manifest{
      .media_type = media_type::kOciManifest,
      .config = {.media_type = media_type::kOciConfig, .digest = Digest::Of("c"), .size = 2}};
  const std::string empty = SerializeManifest(manifest);
  EXPECT_EQ(empty, absl::StrCat(
                       "{\n  \"schemaVersion\": 2,\n  \"mediaType\": \"", media_type::kOciManifest,
                       "\",\n  \"config\": {\n    \"mediaType\": \"", media_type::kOciConfig,
                       "\",\n    \"digest\": \"", Digest::Of("c").ToString(),
                       "\",\n    \"size\": 2\n  },\n  \"layers\": null\n}"));  // as Go has it
  manifest.layers.push_back(
      {.media_type = media_type::kOciLayerGzip, .digest = Digest::Of("l"), .size = 3});
  manifest.annotations["k"] = "v";
  ASSERT_OK_AND_ASSIGN(const Manifest again, ParseManifest(SerializeManifest(manifest)));
  EXPECT_EQ(again.layers, manifest.layers);
  EXPECT_EQ(again.config, manifest.config);
  EXPECT_EQ(again.annotations, manifest.annotations);
}

TEST(ManifestTest, IndexRoundTripWithPlatforms) {
  Index index{.media_type = media_type::kOciIndex,
              .manifests = {ForPlatform("linux/arm/v7", 1), ForPlatform("linux/amd64", 2)}};
  index.manifests[1].annotations["a"] = "b";
  ASSERT_OK_AND_ASSIGN(const Index again, ParseIndex(SerializeIndex(index)));
  EXPECT_EQ(again.manifests, index.manifests);
  ASSERT_OK_AND_ASSIGN(const Descriptor descriptor,
                       ParseDescriptor(SerializeDescriptor(index.manifests[1])));
  EXPECT_EQ(descriptor, index.manifests[1]);
}

TEST(ManifestTest, AmbiguousDocumentsAreRefused) {
  const std::string config = absl::StrCat("\"config\":", DescriptorJson());
  const std::string cases[] = {
      absl::StrCat("{\"manifests\":[],\"layers\":[]}"),
      absl::StrCat("{", config, ",\"manifests\":[]}"),
      absl::StrCat("{", config, ",\"layers\":[],\"layers\":[]}"),
      absl::StrCat("{", config, ",\"layers\":[]} {}"),
      absl::StrCat("{", config, ",\"layers\":{}}"),
      absl::StrCat("{\"schemaVersion\":1,\"fsLayers\":[]}"),
      absl::StrCat("{\"config\":{\"mediaType\":\"m\",\"digest\":\"sha256:../../x\",\"size\":1}}"),
      absl::StrCat("{\"config\":", DescriptorJson(",\"size\":2"), "}"),
      "{\"config\":{\"digest\":\"" + Digest::Of("x").ToString() + "\",\"size\":-1}}",
      "[]",
      "",
      std::string(100, '['),
      "{\"config\":" + std::string(5000, '[') + std::string(5000, ']') + "}",
  };
  for (const std::string& document : cases) {
    EXPECT_THAT(ParseManifest(document),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")))
        << document;
  }
  const std::string manifest = absl::StrCat("{", config, ",\"layers\":[]}");
  EXPECT_THAT(IsIndexDocument(media_type::kOciManifest, manifest), IsOkAndHolds(false));
  EXPECT_THAT(IsIndexDocument("", "{\"manifests\":[]}"), IsOkAndHolds(true));
  EXPECT_THAT(IsIndexDocument(media_type::kOciIndex, manifest),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("announced")));
  EXPECT_THAT(IsIndexDocument(media_type::kOciManifest,
                              absl::StrCat("{\"mediaType\":\"", media_type::kDockerManifest, "\",",
                                           config, ",\"layers\":[]}")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("announced")));
}

TEST(ManifestTest, TooLargeIsRefused) {
  EXPECT_THAT(ParseIndex("{\"x\":\"" + std::string(kMaxManifestBytes, 'x') + "\"}"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("bytes")));
}

TEST(ManifestTest, ConfigInfo) {
  ASSERT_OK_AND_ASSIGN(
      const ImageConfigInfo info,
      ParseImageConfig(absl::StrCat(
          R"({"architecture":"arm64","os":"linux","variant":"v8","created":"1970-01-02T00:00:00Z",)",
          R"("rootfs":{"type":"layers",)", R"("diff_ids":[")", Digest::Of("a").ToString(),
          R"("]},"unknown":{}})")));
  EXPECT_EQ(info.platform.architecture, "arm64");
  EXPECT_THAT(info.diff_ids, ::testing::ElementsAre(Digest::Of("a")));
  EXPECT_EQ(info.created, absl::UnixEpoch() + absl::Hours(24));
  EXPECT_EQ(ParseImageConfig(R"({"os":"linux","created":"yesterday"})")->created, std::nullopt);
}

TEST(SelectPlatformTest, EqualThenBestVariant) {
  Index index{.manifests = {ForPlatform("linux/arm/v5", 1), ForPlatform("linux/arm/v6", 2),
                            ForPlatform("linux/arm/v7", 3), ForPlatform("linux/amd64", 4),
                            ForPlatform("linux/amd64/v3", 5), ForPlatform("linux/amd64", 6)}};
  const auto choose = [&index](const std::string& platform) {
    const std::optional<Descriptor> chosen = SelectPlatform(index, *Platform::Parse(platform));
    for (size_t i = 0; chosen.has_value() && i < index.manifests.size(); ++i) {
      if (index.manifests[i].digest == chosen->digest) {
        return static_cast<int>(i) + 1;
      }
    }
    return 0;
  };
  EXPECT_EQ(choose("linux/arm/v7"), 3);
  EXPECT_EQ(choose("linux/arm/v6"), 2);
  EXPECT_EQ(choose("linux/arm/v8"), 3);
  EXPECT_EQ(choose("linux/amd64"), 4);
  EXPECT_EQ(choose("linux/amd64/v3"), 5);
  EXPECT_EQ(choose("linux/amd64/v2"), 4);
  EXPECT_EQ(choose("linux/s390x"), 0);
  index.manifests[2].annotations["vnd.docker.reference.type"] = "attestation-manifest";
  EXPECT_EQ(choose("linux/arm/v7"), 2);
}

// An index with two images for Windows: the first was taken, whichever version was asked for.
TEST(SelectPlatformTest, WindowsImageOfTheVersionThatIsAskedFor) {
  const Index index{.manifests = {ForPlatform("windows(1.2.3)/amd64", 1),
                                  ForPlatform("windows(1.1.0)/amd64", 2),
                                  ForPlatform("windows(10.0.20348.1)/amd64", 3),
                                  ForPlatform("windows(10.0.26100.2)/amd64", 4)}};
  const auto choose = [&index](const std::string& platform) {
    const std::optional<Descriptor> chosen = SelectPlatform(index, *Platform::Parse(platform));
    return chosen.has_value() ? chosen->platform->os_version : "none";
  };
  EXPECT_EQ(choose("windows(1.1.0)/amd64"), "1.1.0");
  EXPECT_EQ(choose("windows(1.2.3)/amd64"), "1.2.3");
  EXPECT_EQ(choose("windows(1.3.0)/amd64"), "none");
  EXPECT_EQ(choose("windows(10.0.25000)/amd64"), "10.0.20348.1");
  EXPECT_EQ(choose("windows(10.0.26100)/amd64"), "10.0.26100.2");
}

}  // namespace
}  // namespace cairn::registry

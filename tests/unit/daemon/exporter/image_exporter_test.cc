#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cache/layer/importer.h"
#include "cache/registry/manifest.h"
#include "tests/unit/cache/registry/local_registry.h"
#include "tests/unit/daemon/exporter/exporter_fixture.h"

namespace cairn::exporter {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kConfig[] = R"({"os":"linux","architecture":"amd64","config":{"Cmd":["sh"]}})";
constexpr char kPlatforms[] =
    R"({"Platforms":[{"ID":"linux/amd64","Platform":{"os":"linux","architecture":"amd64"}},
                     {"ID":"linux/arm64","Platform":{"os":"linux","architecture":"arm64"}}]})";

class ImageExporterTest : public ExporterTest {
 protected:
  SolvedResult Single() {
    SolvedResult result;
    result.single.emplace(ChainOf({{"etc/", ""}, {"etc/motd", "hello"}}));
    result.metadata["containerimage.config"] = kConfig;
    return result;
  }

  SolvedResult TwoPlatforms() {
    SolvedResult result;
    result.by_platform["linux/amd64"] = ChainOf({{"a", "amd"}});
    result.by_platform["linux/arm64"] = ChainOf({{"a", "arm"}});
    result.metadata["refs.platforms"] = kPlatforms;
    result.metadata["containerimage.config/linux/amd64"] = kConfig;
    result.metadata["containerimage.config/linux/arm64"] =
        R"({"os":"linux","architecture":"arm64"})";
    return result;
  }

  registry::Manifest StoredManifest(const Digest& digest) {
    return *registry::ParseManifest(*blobs_->Read(digest));
  }
};

TEST_F(ImageExporterTest, StoresAPlainManifestUnderItsNames) {
  ASSERT_OK_AND_ASSIGN(auto response, Export("image", {{"name", "app,app:2"}}, Single()));
  EXPECT_EQ(response["image.name"], "app,app:2");
  ASSERT_OK_AND_ASSIGN(const auto image, images_->Get("docker.io/library/app:latest"));
  ASSERT_TRUE(image.has_value());
  EXPECT_EQ(image->digest.ToString(), response["containerimage.digest"]);
  EXPECT_TRUE(images_->Get("docker.io/library/app:2")->has_value());
  const registry::Manifest manifest = StoredManifest(image->digest);
  EXPECT_EQ(manifest.media_type, registry::media_type::kOciManifest);
  ASSERT_EQ(manifest.layers.size(), 1u);
  EXPECT_EQ(manifest.layers[0].media_type, registry::media_type::kOciLayerGzip);
  EXPECT_EQ(manifest.config.digest.ToString(), response["containerimage.config.digest"]);
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<blob::BlobReader> layer,
                       blobs_->Open(manifest.layers[0].digest));
  const std::unique_ptr<fs::ByteSource> stream = layer->Stream();
  ASSERT_OK_AND_ASSIGN(const layer::ImportedTar tar, layer::ImportTar(*trees_, *stream, true, {}));
  const auto config = nlohmann::json::parse(*blobs_->Read(manifest.config.digest));
  EXPECT_EQ(config["rootfs"]["diff_ids"][0], tar.diff_id.ToString());
  EXPECT_EQ(config["config"]["Cmd"][0], "sh");
}

TEST_F(ImageExporterTest, TheSameResultHasTheSameDigest) {
  ASSERT_OK_AND_ASSIGN(auto first, Export("image", {{"name", "app"}}, Single()));
  ASSERT_OK_AND_ASSIGN(auto second, Export("image", {{"name", "app"}}, Single()));
  EXPECT_EQ(first["containerimage.digest"], second["containerimage.digest"]);
}

TEST_F(ImageExporterTest, SeveralPlatformsMakeAnIndex) {
  ASSERT_OK_AND_ASSIGN(
      auto response,
      Export("image", {{"name", "app"}, {"annotation-index.k", "v"}}, TwoPlatforms()));
  EXPECT_EQ(response.count("containerimage.config.digest"), 0u);
  const Digest digest = *Digest::Parse(response["containerimage.digest"]);
  ASSERT_OK_AND_ASSIGN(const registry::Index index, registry::ParseIndex(*blobs_->Read(digest)));
  ASSERT_EQ(index.manifests.size(), 2u);
  EXPECT_EQ(index.manifests[1].platform->architecture, "arm64");
  EXPECT_EQ(index.annotations.at("k"), "v");
}

// The manifest of a build for one platform got what was meant for a platform of an index.
TEST_F(ImageExporterTest, APlatformsAnnotationsNeedAnIndex) {
  ASSERT_OK_AND_ASSIGN(auto response, Export("image",
                                             {{"annotation-manifest[linux/amd64].k", "v"},
                                              {"annotation-manifest.all", "a"}},
                                             Single()));
  const registry::Manifest manifest =
      StoredManifest(*Digest::Parse(response["containerimage.digest"]));
  EXPECT_EQ(manifest.annotations.size(), 1u);
  EXPECT_EQ(manifest.annotations.count("all"), 1u);
}

TEST_F(ImageExporterTest, AttestationsMakeAnIndexToo) {
  SolvedResult result = Single();
  result.attestations["linux/amd64"] = {{.predicate_type = "https://slsa.dev/provenance/v1",
                                         .predicate = [] { return "{}"; },
                                         .file_name = "provenance.json",
                                         .inline_only = true}};
  ASSERT_OK_AND_ASSIGN(auto response, Export("image", {{"name", "app"}}, result));
  ASSERT_OK_AND_ASSIGN(
      const registry::Index index,
      registry::ParseIndex(*blobs_->Read(*Digest::Parse(response["containerimage.digest"]))));
  ASSERT_EQ(index.manifests.size(), 2u);
  const registry::Descriptor& attestation = index.manifests[1];
  EXPECT_EQ(attestation.platform->os, "unknown");
  EXPECT_EQ(attestation.annotations.at("vnd.docker.reference.digest"),
            index.manifests[0].digest.ToString());
  const registry::Manifest manifest = StoredManifest(attestation.digest);
  EXPECT_EQ(manifest.subject->digest, index.manifests[0].digest);
  EXPECT_EQ(manifest.config.data, "{}");
  EXPECT_THAT(*blobs_->Read(manifest.layers[0].digest),
              HasSubstr("pkg:docker/app@latest?platform=linux%2Famd64"));
}

TEST_F(ImageExporterTest, SubjectsOfStatementsArePackageUrls) {
  SolvedResult result = Single();
  result.attestations["linux/amd64"] = {{.predicate_type = "t", .predicate = [] { return ""; }}};
  ASSERT_OK_AND_ASSIGN(auto response,
                       Export("image", {{"name", "localhost:5000/team/app:v1"}}, result));
  ASSERT_OK_AND_ASSIGN(
      const registry::Index index,
      registry::ParseIndex(*blobs_->Read(*Digest::Parse(response["containerimage.digest"]))));
  const registry::Manifest manifest = StoredManifest(index.manifests.at(1).digest);
  const auto statement = nlohmann::json::parse(*blobs_->Read(manifest.layers.at(0).digest));
  EXPECT_EQ(statement["subject"][0]["name"],
            "pkg:docker/localhost%3A5000/team/app@v1?platform=linux%2Famd64");
  EXPECT_EQ(statement["subject"][0]["digest"]["sha256"], index.manifests[0].digest.hex());
  EXPECT_TRUE(statement["predicate"].is_null());
}

TEST_F(ImageExporterTest, PredicatesAreJson) {
  SolvedResult result = Single();
  result.attestations["linux/amd64"] = {{.predicate_type = "t", .predicate = [] { return "{"; }}};
  EXPECT_THAT(Export("image", {}, result),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no valid JSON")));
}

TEST_F(ImageExporterTest, ScratchHasNoLayers) {
  SolvedResult result;
  result.single.emplace(std::nullopt);
  ASSERT_OK_AND_ASSIGN(auto response, Export("image", {{"oci-mediatypes", "false"}}, result));
  const registry::Manifest manifest =
      StoredManifest(*Digest::Parse(response["containerimage.digest"]));
  EXPECT_TRUE(manifest.layers.empty());
  EXPECT_EQ(manifest.media_type, registry::media_type::kDockerManifest);
}

TEST_F(ImageExporterTest, MissingMappingIsAnError) {
  SolvedResult result = TwoPlatforms();
  result.metadata.erase("refs.platforms");
  EXPECT_THAT(Export("image", {}, result),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("missing platforms mapping")));
}

TEST_F(ImageExporterTest, BadDescriptionsOfTheResultAreNamed) {
  for (const auto& [list, message] : std::map<std::string, std::string>{
           {"null", "invalid empty platforms index for exporter"},
           {R"({"Platforms":[{"ID":"","Platform":{}}]})",
            "invalid empty platform key for exporter"},
           {R"({"Platforms":[{"ID":"x","Platform":{}}]})", "invalid platform value for x"}}) {
    SolvedResult result = TwoPlatforms();
    result.metadata["refs.platforms"] = list;
    EXPECT_THAT(Export("image", {}, result),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
  SolvedResult result;
  result.single.emplace(std::nullopt);
  result.metadata["containerimage.config"] = "null";
  EXPECT_THAT(Export("image", {}, result),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("invalid null image config for export")));
}

// A compressed layer that was only pushed belonged to nobody: after the next sweep each push
// compressed the whole of it again.
TEST_F(ImageExporterTest, LayersOutliveASweep) {
  ASSERT_OK_AND_ASSIGN(auto response, Export("image", {}, Single()));
  const registry::Manifest manifest =
      StoredManifest(*Digest::Parse(response["containerimage.digest"]));
  lease_.reset();  // the build ends

  ASSERT_OK(ledger_->Sweep());

  EXPECT_THAT(blobs_->Contains(manifest.layers.at(0).digest), cairn::testing::IsOkAndHolds(true));
}

TEST_F(ImageExporterTest, PushesToARegistry) {
  auto started = cairn::testing::LocalRegistry::Start();
  if (!started.ok()) {
    GTEST_SKIP() << started.status();
  }
  const std::string name = absl::StrCat((*started)->address(), "/team/app:1");
  ASSERT_OK_AND_ASSIGN(auto response,
                       Export("image", {{"name", name}, {"push", "true"}}, TwoPlatforms()));
  registry::NoCredentials nobody;
  ASSERT_OK_AND_ASSIGN(
      const registry::Descriptor found,
      registry_->Resolve(*registry::ImageReference::Parse(name), {.credentials = nobody}));
  EXPECT_EQ(found.digest.ToString(), response["containerimage.digest"]);
  EXPECT_THAT(Export("image", {{"name", name}, {"push", ""}, {"push-by-digest", "true"}}, Single()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("can't push tagged ref")));
  const std::string untagged = absl::StrCat((*started)->address(), "/team/bydigest");
  ASSERT_OK_AND_ASSIGN(
      response,
      Export("image", {{"name", untagged}, {"push", ""}, {"push-by-digest", "true"}}, Single()));
  ASSERT_OK(registry_->Resolve(registry::ImageReference::Parse(untagged)->WithDigest(
                                   *Digest::Parse(response["containerimage.digest"])),
                               {.credentials = nobody}));
}

TEST_F(ImageExporterTest, ADeadRegistryIsNamedInTheError) {
  EXPECT_THAT(
      Export("image", {{"name", "127.0.0.1:1/app"}, {"push", "true"}}, Single()),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("failed to push 127.0.0.1:1/app")));
}

}  // namespace
}  // namespace cairn::exporter

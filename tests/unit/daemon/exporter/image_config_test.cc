#include "daemon/exporter/image_config.h"

#include <nlohmann/json.hpp>

#include "daemon/exporter/annotations.h"
#include "daemon/exporter/image_options.h"
#include "daemon/exporter/statements.h"
#include "tests/unit/testing.h"

namespace cairn::exporter {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

ConfigLayer LayerAt(const std::string& content, int64_t seconds) {
  return {Digest::Of(content), absl::FromUnixSeconds(seconds)};
}

Json Parsed(const ImageConfigRequest& request) {
  const StatusOr<std::string> config = MakeImageConfig(request);
  EXPECT_OK(config);
  return config.ok() ? Json::parse(*config) : Json();
}

TEST(ImageConfigTest, DefaultConfigHasPathAndWorkingDirectory) {
  const Json config = Parsed({.layers = {LayerAt("a", 10)}});
  EXPECT_EQ(config["os"], "linux");
  EXPECT_EQ(config["config"]["WorkingDir"], "/");
  EXPECT_THAT(config["config"]["Env"][0].get<std::string>(), HasSubstr("PATH=/usr/local/sbin:"));
  EXPECT_EQ(config["rootfs"]["diff_ids"][0], Digest::Of("a").ToString());
  EXPECT_EQ(config["history"].size(), 1u);
  EXPECT_EQ(config["created"], "1970-01-01T00:00:10Z");
}

TEST(ImageConfigTest, UnknownFieldsStayAndHistoryIsCompleted) {
  const Json config =
      Parsed({.config = R"({"os":"linux","architecture":"arm64","x":{"y":[1]},"history":[
                    {"created_by":"FROM","created":"2020-01-01T00:00:00Z"},
                    {"created_by":"ENV a=b","empty_layer":true},
                    {"created_by":"COPY"}]})",
              .layers = {LayerAt("a", 10), LayerAt("b", 20), LayerAt("c", 30)}});
  EXPECT_EQ(config["x"]["y"][0], 1);
  const Json& history = config["history"];
  ASSERT_EQ(history.size(), 4u);
  EXPECT_EQ(history[0]["created"], "2020-01-01T00:00:00Z");
  // A command without a layer has the time of the first new layer.
  EXPECT_EQ(history[1]["created"], "1970-01-01T00:00:20Z");
  EXPECT_EQ(history[2]["created"], "1970-01-01T00:00:20Z");
  EXPECT_EQ(history[3]["comment"], "buildkit.exporter.image.v0");
  EXPECT_EQ(config["created"], "1970-01-01T00:00:30Z");
}

// As BuildKit writes an image without layers: its digest was another one.
TEST(ImageConfigTest, WithoutLayersThereAreNulls) {
  const Json config = Parsed({.config = R"({"os":"linux","architecture":"amd64"})"});
  EXPECT_TRUE(config.contains("created") && config["created"].is_null());
  EXPECT_TRUE(config.contains("history") && config["history"].is_null());
  EXPECT_TRUE(config["rootfs"]["diff_ids"].is_null());
}

TEST(ImageConfigTest, SurplusHistoryBecomesEmptyLayers) {
  const Json config = Parsed({.config = R"({"os":"linux","architecture":"amd64","history":[
                                           {"created_by":"a"},{"created_by":"b"}]})",
                              .layers = {LayerAt("a", 1)}});
  EXPECT_EQ(config["history"][1]["empty_layer"], true);
}

// Observed: every key in the order of the alphabet, so that no image had the digest that BuildKit
// gives it.
TEST(ImageConfigTest, KeysAreInBuildKitsOrderAndEscapedAsItDoes) {
  ASSERT_OK_AND_ASSIGN(
      const std::string config,
      MakeImageConfig(
          {.config = R"({"os":"linux","architecture":"arm64","variant":"v8","config":{"User":"a",)"
                     R"("Env":["A=<b> & c"],"Cmd":["sh"]},"history":[{"empty_layer":true,)"
                     R"("unknown":1,"comment":"c","created_by":"x","created":)"
                     R"("2020-01-01T00:00:00Z"},{"created_by":"COPY"}]})",
           .layers = {LayerAt("a", 10)}}));
  EXPECT_EQ(config,
            R"({"architecture":"arm64","config":{"User":"a","Env":["A=\u003cb\u003e \u0026 c"],)"
            R"("Cmd":["sh"]},"created":"1970-01-01T00:00:10Z","history":[{"created":)"
            R"("2020-01-01T00:00:00Z","created_by":"x","comment":"c","empty_layer":true},{)"
            R"("created":"1970-01-01T00:00:10Z","created_by":"COPY"}],"os":"linux","rootfs":{)"
            R"("type":"layers","diff_ids":[")" +
                Digest::Of("a").ToString() + R"("]},"variant":"v8"})");
}

TEST(ImageConfigTest, EpochClampsAllButTheBaseImage) {
  const Json config =
      Parsed({.config = R"({"os":"linux","architecture":"amd64","created":"2030-01-01T00:00:00Z",
                    "history":[{"created":"2025-01-01T00:00:00Z"},{"created_by":"RUN"}]})",
              .base_config = R"({"history":[{"created":"2025-01-01T00:00:00Z"}]})",
              .layers = {LayerAt("a", 1), LayerAt("b", 1'900'000'000)},
              .epoch = 1'500'000'000});
  EXPECT_EQ(config["history"][0]["created"], "2025-01-01T00:00:00Z");
  EXPECT_EQ(config["history"][1]["created"], "2017-07-14T02:40:00Z");
  EXPECT_EQ(config["created"], "2017-07-14T02:40:00Z");
}

TEST(ImageConfigTest, ConfigsWithoutAPlatformAreRefused) {
  EXPECT_THAT(MakeImageConfig({.config = R"({"os":"linux"})"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("missing architecture")));
  EXPECT_THAT(MakeImageConfig({.config = "null"}), StatusIs(absl::StatusCode::kInvalidArgument, _));
}

TEST(AnnotationsTest, PlacesAndPlatforms) {
  std::map<std::string, std::string> values = {
      {"annotation.a", "1"},       {"annotation-manifest[linux/arm64].a", "2"},
      {"annotation-index.i", "3"}, {"annotation-manifest-descriptor.d", "4"},
      {"annotations.not", "x"},    {"name", "x"}};
  AnnotationGroups groups;
  ASSERT_OK(groups.TakeFrom(values));
  EXPECT_EQ(values.size(), 2u);
  const Platform arm = *Platform::Parse("linux/arm64");
  EXPECT_EQ(groups.For(nullptr).manifest.at("a"), "1");
  EXPECT_EQ(groups.For(&arm).manifest.at("a"), "2");
  EXPECT_EQ(groups.For(&arm).manifest_descriptor.at("d"), "4");
  EXPECT_EQ(groups.For(nullptr).index.at("i"), "3");
  EXPECT_TRUE(groups.needs_index());
  EXPECT_THAT(groups.platforms(), ElementsAre("linux/arm64"));
  values = {{"annotation-nowhere.a", "1"}};
  EXPECT_THAT(groups.TakeFrom(values),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unrecognized")));
}

TEST(ImageOptionsTest, AttributesAndConflicts) {
  std::map<std::string, std::string> attributes = {
      {"name", "app"},           {"compression", "zstd"},    {"compression-level", "7"},
      {"force-compression", ""}, {"source-date-epoch", "5"}, {"other", "kept"}};
  ASSERT_OK_AND_ASSIGN(const ImageOptions options, ImageOptions::TakeFrom(attributes));
  EXPECT_EQ(options.names, "app");
  EXPECT_EQ(options.compression, layer::Compression::kZstd);
  EXPECT_EQ(options.level, 7);
  EXPECT_TRUE(options.force_compression);
  EXPECT_EQ(options.epoch, std::optional<int64_t>(5));
  EXPECT_EQ(attributes.size(), 1u);
  for (std::map<std::string, std::string> bad :
       {std::map<std::string, std::string>{{"oci-mediatypes", "maybe"}},
        {{"oci-mediatypes", "false"}, {"oci-artifact", "true"}},
        {{"compression", "lzma"}},
        {{"compression-level", "x"}},
        {{"name", "good:1,UPPER:1"}},
        {{"source-date-epoch", "x"}}}) {
    EXPECT_THAT(ImageOptions::TakeFrom(bad),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")));
  }
  std::map<std::string, std::string> docker_zstd = {{"oci-mediatypes", "false"},
                                                    {"compression", "zstd"}};
  EXPECT_OK(ImageOptions::TakeFrom(docker_zstd));
  EXPECT_THAT(ImageOptions::NormalizedNames("a,b:1"),
              cairn::testing::IsOkAndHolds(
                  ElementsAre("docker.io/library/a:latest", "docker.io/library/b:1")));
}

TEST(StatementsTest, PredicateIsTakenOverAsItIs) {
  const std::vector<StatementSubject> subjects =
      ImageSubjects("foo/bar:1,bad name", *Platform::Parse("linux/amd64"), Digest::Of("m"));
  ASSERT_EQ(subjects.size(), 1u);
  EXPECT_EQ(subjects[0].name, "pkg:docker/foo/bar@1?platform=linux%2Famd64");
  const StatusOr<std::string> statement = MakeStatement(
      {.predicate_type = "t", .predicate = [] { return "{\"z\":1, \"a\":2}"; }}, subjects);
  ASSERT_TRUE(statement.ok());
  EXPECT_THAT(*statement, HasSubstr(",\"predicate\":{\"z\":1,\"a\":2}}"));
  EXPECT_EQ(Json::parse(*statement)["subject"][0]["digest"]["sha256"], Digest::Of("m").hex());
}

}  // namespace
}  // namespace cairn::exporter

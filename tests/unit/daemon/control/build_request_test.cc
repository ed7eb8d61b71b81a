#include "daemon/control/build_request.h"

#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

namespace api = moby::buildkit::v1;

api::SolveRequest Request() {
  api::SolveRequest request;
  request.set_ref("r");
  return request;
}

TEST(BuildRequestTest, ListOfExportersOutranksTheOlderFields) {
  api::SolveRequest request = Request();
  request.set_exporterdeprecated("image");
  request.add_exporters()->set_type("oci");

  ASSERT_OK_AND_ASSIGN(const BuildRequest build, DecodeBuildRequest(request));

  ASSERT_EQ(build.exporters.size(), 1U);
  EXPECT_EQ(build.exporters[0].type, "oci");
}

TEST(BuildRequestTest, OlderFieldsAreFolded) {
  api::SolveRequest request = Request();
  request.set_exporterdeprecated("image");
  (*request.mutable_exporterattrsdeprecated())["name"] = "n";
  request.mutable_cache()->set_exportrefdeprecated("ref");
  request.mutable_cache()->add_importrefsdeprecated("from");

  ASSERT_OK_AND_ASSIGN(const BuildRequest build, DecodeBuildRequest(request));

  EXPECT_EQ(build.exporters.at(0).attributes.at("name"), "n");
  EXPECT_EQ(build.cache_exports.at(0).type, "registry");
  EXPECT_EQ(build.cache_exports.at(0).attributes.at("ref"), "ref");
  EXPECT_EQ(build.cache_imports.at(0).attributes.at("ref"), "from");
}

TEST(BuildRequestTest, NumericEpochReachesExportersThatHaveNone) {
  api::SolveRequest request = Request();
  (*request.mutable_frontendattrs())["build-arg:SOURCE_DATE_EPOCH"] = "7";
  request.add_exporters()->set_type("a");
  (*request.add_exporters()->mutable_attrs())["source-date-epoch"] = "8";

  ASSERT_OK_AND_ASSIGN(const BuildRequest build, DecodeBuildRequest(request));
  EXPECT_EQ(build.exporters[0].attributes.at("source-date-epoch"), "7");
  EXPECT_EQ(build.exporters[1].attributes.at("source-date-epoch"), "8");

  (*request.mutable_frontendattrs())["build-arg:SOURCE_DATE_EPOCH"] = "context";
  ASSERT_OK_AND_ASSIGN(const BuildRequest other, DecodeBuildRequest(request));
  EXPECT_EQ(other.exporters[0].attributes.count("source-date-epoch"), 0U);
}

TEST(BuildRequestTest, RefusesWhatMakesNoSense) {
  EXPECT_FALSE(DecodeBuildRequest(api::SolveRequest()).ok());

  api::SolveRequest both = Request();
  both.set_frontend("dockerfile.v0");
  both.mutable_definition()->add_def("x");
  EXPECT_FALSE(DecodeBuildRequest(both).ok());

  api::SolveRequest future = Request();
  future.set_compatibilityversion(31);
  EXPECT_FALSE(DecodeBuildRequest(future).ok());
}

// TestDiffScratch of BuildKit's client suite: the daemon waited for a driver that never came.
TEST(BuildRequestTest, ADefinitionWithoutVerticesIsScratch) {
  api::SolveRequest request;
  request.set_ref("build");
  EXPECT_FALSE(DecodeBuildRequest(request)->definition.has_value());
  request.mutable_definition();
  EXPECT_TRUE(DecodeBuildRequest(request)->definition.has_value());
  request.set_frontend("dockerfile.v0");
  EXPECT_FALSE(DecodeBuildRequest(request)->definition.has_value());
}

}  // namespace
}  // namespace cairn::control

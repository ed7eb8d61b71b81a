#include "daemon/provenance/predicate.h"

#include <nlohmann/json.hpp>

#include "tests/unit/testing.h"

namespace cairn::provenance {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;
using Json = nlohmann::json;

Capture SomeCapture() {
  Capture capture;
  capture.request.frontend = "dockerfile.v0";
  capture.request.arguments = {{"build-arg:FOO", "bar"},
                               {"filename", "Dockerfile"},
                               {"target", "release"},
                               {"vcs:revision", "123"},
                               {"vcs:source", "https://me:secret@example.com/r.git"}};
  capture.images.push_back({.reference = "docker.io/library/busybox:latest",
                            .platform = Platform{.os = "linux", .architecture = "amd64"},
                            .digest = Digest::Of("image")});
  capture.secrets.push_back({.id = "token", .optional = true});
  return capture;
}

// A definition of one image; its vertex comes back in `image`.
pb::Definition SomeDefinition(std::optional<Digest>* image) {
  pb::Op op;
  op.mutable_source()->set_identifier("docker-image://busybox");
  (*op.mutable_source()->mutable_attrs())["local.session"] = "abc";
  pb::Definition definition;
  definition.add_def(op.SerializeAsString());
  *image = Digest::Of(definition.def(0));
  pb::Op target;
  target.add_inputs()->set_digest((*image)->ToString());
  definition.add_def(target.SerializeAsString());
  pb::SourceInfo* info = definition.mutable_source()->add_infos();
  info->set_filename("Dockerfile");
  info->set_data("FROM busybox\n");
  pb::Location* location =
      (*definition.mutable_source()->mutable_locations())[(*image)->ToString()].add_locations();
  location->add_ranges()->mutable_start()->set_line(1);
  return definition;
}

Json Made(const Capture& capture, const Options& options, PredicateInput more) {
  const auto made = MakePredicate({.capture = capture,
                                   .options = options,
                                   .invocation_id = "id",
                                   .started = absl::FromUnixSeconds(1),
                                   .finished = absl::FromUnixMillis(2500),
                                   .dockerfile_version = "1.20.0",
                                   .custom_environment = more.custom_environment,
                                   .definition = more.definition,
                                   .layers = more.layers});
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? Json::parse(*made) : Json();
}

class PredicateTest : public ::testing::Test {
 protected:
  Json Make(const Options& options, const std::string& custom = "") {
    return Made(capture_, options,
                {.capture = capture_,
                 .options = options,
                 .custom_environment = custom,
                 .definition = &definition_,
                 .layers = {{*image_,
                             {{{.media_type = "t",
                                .digest = *image_,
                                .size = 3,
                                .diff_id = *image_,
                                .origin = ""}}}}}});
  }

  Capture capture_ = SomeCapture();
  std::optional<Digest> image_;
  const pb::Definition definition_ = SomeDefinition(&image_);
};

TEST_F(PredicateTest, TellsTheRequestAndItsMaterials) {
  const Json made = Make({});
  const Json& request = made["buildDefinition"]["externalParameters"]["request"];
  EXPECT_EQ(request["frontend"], "dockerfile.v0");
  EXPECT_EQ(request["args"], Json({{"build-arg:FOO", "bar"}, {"target", "release"}}));
  EXPECT_EQ(request["secrets"][0]["id"], "token");
  EXPECT_EQ(made["buildDefinition"]["externalParameters"]["configSource"]["path"], "Dockerfile");
  const Json& material = made["buildDefinition"]["resolvedDependencies"][0];
  EXPECT_EQ(material["uri"], "pkg:docker/busybox@latest?platform=linux%2Famd64");
  EXPECT_EQ(material["digest"]["sha256"], Digest::Of("image").hex());
  const Json& metadata = made["runDetails"]["metadata"];
  EXPECT_EQ(metadata["finishedOn"], "1970-01-01T00:00:02.5Z");
  EXPECT_EQ(metadata["buildkit_hermetic"], true);
  EXPECT_EQ(metadata["buildkit_completeness"]["request"], true);
  EXPECT_EQ(metadata["buildkit_metadata"]["vcs"]["source"],
            "https://xxxxx:xxxxx@example.com/r.git");
}

TEST_F(PredicateTest, MaxTellsTheGraphItsSourceAndItsLayers) {
  const Json made = Make({});
  const Json& config = made["buildDefinition"]["internalParameters"]["buildConfig"];
  ASSERT_EQ(config["llbDefinition"].size(), 2);
  EXPECT_EQ(config["llbDefinition"][0],
            Json({{"id", "step0"},
                  {"op", {{"Op", {{"source", {{"identifier", "docker-image://busybox"}}}}}}}}));
  EXPECT_EQ(config["llbDefinition"][1]["inputs"], Json({"step0:0"}));
  EXPECT_EQ(config["digestMapping"][image_->ToString()], "step0");
  const Json& own = made["runDetails"]["metadata"]["buildkit_metadata"];
  EXPECT_EQ(own["source"]["infos"][0]["data"], "RlJPTSBidXN5Ym94Cg==");
  EXPECT_EQ(own["source"]["locations"]["step0"]["locations"][0]["ranges"][0]["start"]["line"], 1);
  EXPECT_EQ(own["layers"]["step0:0"][0][0]["size"], 3);
}

TEST_F(PredicateTest, MinLeavesOutArgumentsAndSaysSo) {
  const Json made = Make({.max = false});
  const Json& request = made["buildDefinition"]["externalParameters"]["request"];
  EXPECT_EQ(request["args"], Json({{"target", "release"}}));
  EXPECT_FALSE(request.contains("secrets"));
  EXPECT_FALSE(made["buildDefinition"]["internalParameters"].contains("buildConfig"));
  EXPECT_EQ(made["runDetails"]["metadata"]["buildkit_completeness"]["request"], false);
}

TEST_F(PredicateTest, LocalSourcesAreNoCompleteMaterials) {
  capture_.AddLocal("context");
  const Json made = Make({});
  EXPECT_EQ(made["buildDefinition"]["externalParameters"]["request"]["locals"][0]["name"],
            "context");
  EXPECT_EQ(made["runDetails"]["metadata"]["buildkit_completeness"]["resolvedDependencies"], false);
  EXPECT_FALSE(made["runDetails"]["metadata"].contains("buildkit_hermetic"));
  const Options strict{.complete_materials = true};
  EXPECT_THAT(MakePredicate({.capture = capture_, .options = strict}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("- context")));
}

TEST_F(PredicateTest, TheFirstVersionHasItsOwnWords) {
  const Json made = Make({.version = SlsaVersion::kV02}, R"({"site": "here"})");
  EXPECT_EQ(made["buildType"], "https://mobyproject.org/buildkit@v1");
  EXPECT_EQ(made["invocation"]["configSource"]["entryPoint"], "Dockerfile");
  EXPECT_EQ(made["invocation"]["environment"]["site"], "here");
  EXPECT_EQ(made["materials"].size(), 1);
  EXPECT_EQ(made["metadata"]["completeness"]["materials"], true);
  EXPECT_TRUE(made["metadata"].contains("https://mobyproject.org/buildkit@v1#metadata"));
}

TEST_F(PredicateTest, TheOperatorsEnvironmentMustBeAnObject) {
  EXPECT_THAT(MakePredicate({.capture = capture_, .options = {}, .custom_environment = "[1]"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no JSON object")));
}

// Two builds of which one gives its result to the other: the second told nothing of the first.
TEST_F(PredicateTest, TellsWhatMadeInputsAndWhatTheClientAskedFor) {
  Request inner{.frontend = "dockerfile.v0", .arguments = {{"target", "seed"}}};
  Request input{.frontend = "dockerfile.v0",
                .arguments = {{"target", "base"}, {"build-arg:TEXT", "x"}}};
  input.inputs["inner"] = std::make_shared<Request>(inner);
  capture_.request.inputs["base"] = std::make_shared<Request>(input);
  capture_.root = std::make_shared<Request>(Request{.arguments = {{"asked", "for"}}});

  const Json all = Make({.max = true})["buildDefinition"]["externalParameters"]["request"];
  const Json base = all["inputs"]["base"]["request"];
  EXPECT_EQ(base["frontend"], "dockerfile.v0");
  EXPECT_EQ(base["args"]["build-arg:TEXT"], "x");
  EXPECT_EQ(base["inputs"]["inner"]["request"]["args"]["target"], "seed");
  EXPECT_EQ(all["root"]["request"]["args"]["asked"], "for");
  EXPECT_FALSE(all["root"]["request"].contains("frontend"));

  const Json less = Make({.max = false})["buildDefinition"]["externalParameters"]["request"];
  EXPECT_FALSE(less["inputs"]["base"]["request"]["args"].contains("build-arg:TEXT"));
}

// Clients that ask the frontend themselves may say the name of the file in their own request, too.
TEST_F(PredicateTest, AClientsRequestThatAsksForNothingIsNotTold) {
  capture_.request.frontend = "dockerfile.v0";
  capture_.root = std::make_shared<Request>(Request{.arguments = {{"filename", "Dockerfile"}}});

  const Json request = Make({.max = true})["buildDefinition"]["externalParameters"]["request"];
  EXPECT_FALSE(request.contains("root")) << request;
}

}  // namespace
}  // namespace cairn::provenance

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/dockerfile_frontend.h"
#include "daemon/llb/builder.h"
#include "daemon/llb/errors.h"
#include "daemon/llb/graph.h"
#include "tests/unit/testing.h"

namespace cairn::dockerfile {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class FakeRef : public solver::Ref {
 public:
  explicit FakeRef(pb::Definition definition) : definition_(std::move(definition)) {}
  StatusOr<layer::Chain> Evaluate(const CancelToken&) override {
    return absl::UnimplementedError("a fake ref has no files");
  }
  bool Repair() override { return false; }
  const pb::Definition& definition() const override { return definition_; }

 private:
  pb::Definition definition_;
};

// Keeps what was asked; files are the same in every result.
class FakeBridge : public solver::Bridge {
 public:
  StatusOr<solver::FrontendResult> Solve(const solver::SolveRequest& request,
                                         const CancelToken&) override {
    const std::lock_guard<std::mutex> lock(mu_);
    solver::FrontendResult result;
    if (!request.frontend.empty()) {
      forwarded.push_back(request);
      result.metadata["forwarded"] = "yes";
      return result;
    }
    ASSIGN_OR_RETURN(const llb::Graph graph, llb::Graph::LoadOrScratch(*request.definition));
    for (const auto& vertex : graph.vertices()) {
      names.push_back(vertex->name);
    }
    result.ref = std::make_shared<FakeRef>(*request.definition);
    return result;
  }
  StatusOr<solver::ImageConfig> ResolveImageConfig(const solver::ResolveImageRequest& request,
                                                   const CancelToken&) override {
    const std::lock_guard<std::mutex> lock(mu_);
    resolved.push_back(request.log_name);
    if (absl::StrContains(request.reference, "replaced-by-local")) {
      return llb::WithReplacedSource(absl::FailedPreconditionError("no image"), "local://dir");
    }
    if (absl::StrContains(request.reference, "missing")) {
      return absl::NotFoundError(absl::StrCat(request.reference, ": not found"));
    }
    const Digest digest = Digest::Of(request.reference);
    return solver::ImageConfig{
        request.reference, digest,
        absl::StrCat(R"({"architecture":")", request.platform->architecture,
                     R"(","os":"linux","config":{"Cmd":["scan"]},"rootfs":{"type":"layers",)",
                     R"("diff_ids":["sha256:1"]}})")};
  }
  StatusOr<solver::SourceMeta> ResolveSourceMeta(const solver::ResolveSourceRequest&,
                                                 const CancelToken&) override {
    return absl::UnimplementedError("no sources");
  }
  StatusOr<std::string> ReadFile(const solver::RefPtr&, string_view path,
                                 std::optional<solver::FileRange>, const CancelToken&) override {
    const auto found = files.find(std::string(path));
    if (found == files.end()) {
      return absl::NotFoundError(absl::StrCat(path, ": no such file"));
    }
    return found->second;
  }
  StatusOr<std::vector<solver::FileStat>> ReadDir(const solver::RefPtr&, string_view, string_view,
                                                  const CancelToken&) override {
    return std::vector<solver::FileStat>();
  }
  StatusOr<solver::FileStat> StatFile(const solver::RefPtr&, string_view,
                                      const CancelToken&) override {
    return absl::NotFoundError("no such file");
  }
  Status Warn(solver::WarningEvent warning) override {
    warnings.push_back(std::move(warning));
    return absl::OkStatus();
  }
  const std::vector<Platform>& platforms() const override { return platforms_; }
  const std::map<std::string, pb::Definition>& inputs() const override { return inputs_; }
  std::string session_id() const override { return "session"; }

  std::map<std::string, std::string> files;
  std::map<std::string, pb::Definition> inputs_;
  std::vector<std::string> names;
  std::vector<std::string> resolved;
  std::vector<solver::SolveRequest> forwarded;
  std::vector<solver::WarningEvent> warnings;

 private:
  std::mutex mu_;
  std::vector<Platform> platforms_ = {{.os = "linux", .architecture = "amd64"}};
};

class FrontendTest : public ::testing::Test {
 protected:
  StatusOr<solver::FrontendResult> Solve(const std::string& dockerfile,
                                         std::map<std::string, std::string> attributes = {}) {
    if (!dockerfile.empty()) {
      bridge_.files["Dockerfile"] = dockerfile;
    }
    solver::FrontendRequest request;
    request.options = std::move(attributes);
    return DockerfileFrontend().Solve(bridge_, request, CancelToken());
  }

  FakeBridge bridge_;
};

TEST_F(FrontendTest, BuildsAnImage) {
  ASSERT_OK_AND_ASSIGN(const solver::FrontendResult result,
                       Solve("FROM busybox\nCOPY a /\nRUN make"));
  EXPECT_TRUE(result.ref.has_value());
  EXPECT_THAT(bridge_.names, Contains("[internal] load build definition from Dockerfile"));
  EXPECT_THAT(bridge_.names, Contains("[internal] load .dockerignore"));
  EXPECT_THAT(bridge_.names, Contains("[internal] load build context"));
  EXPECT_THAT(bridge_.names, Contains("[3/3] RUN make"));
  EXPECT_THAT(bridge_.resolved,
              ElementsAre("[internal] load metadata for docker.io/library/busybox:latest"));
  EXPECT_THAT(result.metadata.at("containerimage.config"), HasSubstr("RUN /bin/sh -c make"));
  EXPECT_THAT(result.metadata.at("containerimage.base.config"), HasSubstr("scan"));
  EXPECT_THAT(result.metadata.at("refs.platforms"), HasSubstr("\"Platforms\""));
}

TEST_F(FrontendTest, FallsBackToTheLowerCaseName) {
  bridge_.files["dockerfile"] = "FROM scratch\nLABEL a=b";
  ASSERT_OK_AND_ASSIGN(const solver::FrontendResult result, Solve(""));
  EXPECT_EQ(result.ref, solver::RefPtr());
  bridge_.files.clear();
  EXPECT_THAT(Solve(""),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("failed to read dockerfile: ")));
}

TEST_F(FrontendTest, IgnoreFileBesideTheDockerfileWins) {
  bridge_.files["Dockerfile.dockerignore"] = "beside\n";
  bridge_.files[".dockerignore"] = "root\n";
  ASSERT_OK(Solve("FROM scratch\nCOPY . /"));
  EXPECT_THAT(bridge_.names, Not(Contains("[internal] load .dockerignore")));
  ASSERT_OK(Solve("FROM scratch\nCOPY beside /"));
  ASSERT_THAT(bridge_.warnings, SizeIs(1));
  EXPECT_EQ(bridge_.warnings[0].short_text,
            "CopyIgnoredFile: Attempting to Copy file \"beside\" that is excluded by "
            ".dockerignore (line 2)");
  EXPECT_EQ(bridge_.warnings[0].url,
            "https://docs.docker.com/go/dockerfile/rule/copy-ignored-file/");
}

TEST_F(FrontendTest, OwnSyntaxImageIsBuiltIn) {
  ASSERT_OK(Solve("# syntax=docker/dockerfile:1.7-labs\nFROM scratch\nCOPY a /"));
  EXPECT_THAT(bridge_.forwarded, SizeIs(0));
  ASSERT_OK_AND_ASSIGN(const solver::FrontendResult result,
                       Solve("# syntax=example/other:1 --flag\nanything"));
  ASSERT_THAT(bridge_.forwarded, SizeIs(1));
  EXPECT_EQ(bridge_.forwarded[0].frontend, "gateway.v0");
  EXPECT_EQ(bridge_.forwarded[0].request.options.at("source"), "example/other:1");
  EXPECT_EQ(bridge_.forwarded[0].request.options.at("cmdline"), "example/other:1 --flag");
  EXPECT_EQ(result.metadata.at("forwarded"), "yes");
  ASSERT_OK(Solve("# syntax=example/other\nFROM scratch\nCOPY a /", {{"cmdline", "x"}}));
  EXPECT_THAT(bridge_.forwarded, SizeIs(1));
}

TEST_F(FrontendTest, ErrorsPointAtTheDockerfile) {
  const auto result = Solve("FROM scratch\nCOPY --frm=x a b");
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnknown,
                               "dockerfile parse error on line 2: unknown flag: --frm (did you "
                               "mean from?)"));
  const std::vector<errdefs::Source> sources = llb::SourcesOf(result.status());
  ASSERT_THAT(sources, SizeIs(1));
  EXPECT_EQ(sources[0].info().filename(), "Dockerfile");
  EXPECT_EQ(sources[0].ranges(0).start().line(), 2);
}

TEST_F(FrontendTest, ErrorTextsOfConversion) {
  struct Case {
    const char* dockerfile;
    std::map<std::string, std::string> attributes;
    const char* message;
  };
  for (const Case& test : {
           Case{"FROM scratch AS build",
                {{"target", "bulid"}},
                "target stage \"bulid\" could not be found (did you mean build?)"},
           {"ARG a", {}, "dockerfile contains no stages to build"},
           {"FROM scratch\nCOPY --from=$x a b",
            {},
            "variable expansion is not supported for --from, define a new stage with FROM using "
            "ARG from global scope as a workaround"},
           {"FROM scratch\nCOPY --from=7 a b", {}, "invalid stage index 7"},
           {"FROM scratch AS a\nCOPY --from=b x y\nFROM scratch AS b",
            {{"target", "a"}},
            "cannot copy from stage \"b\", it needs to be defined before current stage \"a\""},
           {"FROM scratch AS a\nCOPY --from=a x y", {}, "circular dependency detected on stage: a"},
           {"FROM scratch\nCOPY --chmod=64a x y",
            {},
            "invalid chmod parameter: '64a'. it should be octal string and between 0 and 07777"},
           {"FROM scratch\nCOPY --chmod=abc x y",
            {},
            "invalid mode \"abc\": invalid syntax: want octal digits or a mode such as u+x,g=rX"},
           {"FROM scratch AS a\nFROM a",
            {{"target", "0"}},
            "target stage \"0\" could not be found (did you mean a?)"},
           {"FROM scratch\nCOPY --chmod=10000 x y",
            {},
            "invalid chmod parameter: '10000'. it should be octal string and between 0 and 07777"},
           {"FROM scratch\nCOPY https://example.com/a /", {}, "source can't be a URL for COPY"},
           {"FROM scratch\nCOPY https://example.com/a.git /",
            {},
            "source can't be a git ref for COPY"},
           {"FROM scratch\nADD --checksum=sha256:1 a /",
            {},
            "checksum requires HTTP(S) or Git sources"},
           {"FROM scratch\nSTOPSIGNAL NOPE", {}, "invalid signal: NOPE"},
           {"FROM scratch\nRUN --mount=target=/ x", {}, "invalid mount target \"/\""},
           {"FROM scratch",
            {{"build-arg:SOURCE_DATE_EPOCH", "soon"}},
            "invalid SOURCE_DATE_EPOCH: soon"},
           {"FROM scratch AS s\nRUN x\nFROM scratch",
            {{"build-arg:SOURCE_DATE_EPOCH", "s"}},
            "SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported RUN "
            "instruction"},
           {"# check=error=true\nFROM scratch\nMAINTAINER x",
            {},
            "lint violation found for rules: MaintainerDeprecated"},
           {"FROM scratch\nRUN caf\xE9", {}, "RUN uses text that is not valid UTF-8"},
           {"FROM scratch\nENV A=\xE9\nRUN x", {}, "RUN uses text that is not valid UTF-8"},
           {"# caf\xE9\nFROM scratch\nLABEL a=\xE9\nCOPY <<EOF /\n\xE9\nEOF", {}, ""},
           {"FROM missing",
            {},
            "missing: failed to resolve source metadata for docker.io/library/missing:latest: "
            "docker.io/library/missing:latest: not found"},
           {"FROM a",
            {{"platform", "linux/amd64,linux/arm64"}, {"multi-platform", "false"}},
            "conflicting config: returning multiple target platforms is not allowed"},
           {"FROM a",
            {{"add-hosts", "x=y"}},
            "failed to parse additional hosts: failed to parse IP y"},
       }) {
    EXPECT_EQ(std::string(Solve(test.dockerfile, test.attributes).status().message()), test.message)
        << test.dockerfile;
  }
}

TEST_F(FrontendTest, HostileFilesAreRefusedEarly) {
  std::string doubling = "FROM scratch\nENV A=xxxxxxxxxxxxxxxx\n";
  for (int i = 0; i < 60; ++i) {
    doubling += "ENV A=$A$A\n";
  }
  EXPECT_THAT(std::string(Solve(doubling).status().message()), HasSubstr("larger than 4 MiB"));
  std::string ports = "FROM scratch\n";
  for (int i = 0; i < 200; ++i) {
    ports += "EXPOSE 0-65535\n";
  }
  EXPECT_THAT(std::string(Solve(ports).status().message()), HasSubstr("expands to more than"));
}

TEST_F(FrontendTest, UnknownCapabilitiesAndRequests) {
  const auto capability = Solve("FROM scratch", {{"frontend.caps", "moby.buildkit.frontend.new"}});
  EXPECT_THAT(capability, StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("new")));
  EXPECT_EQ(llb::FrontendCapOf(capability.status()), "moby.buildkit.frontend.new");
  const auto request = Solve("FROM scratch", {{"requestid", "frontend.other"}});
  EXPECT_EQ(llb::SubrequestOf(request.status()), "frontend.other");
  ASSERT_OK(Solve("# syntax=example/other\nx",
                  {{"frontend.caps", "moby.buildkit.frontend.new+forward"}}));
}

TEST_F(FrontendTest, ReturnsRefsByPlatform) {
  ASSERT_OK_AND_ASSIGN(const solver::FrontendResult result,
                       Solve("FROM busybox\nRUN x", {{"platform", "linux/amd64,linux/arm/v7"}}));
  EXPECT_FALSE(result.ref.has_value());
  EXPECT_THAT(result.refs, SizeIs(2));
  EXPECT_EQ(result.refs.count("linux/arm/v7"), 1u);
  EXPECT_EQ(result.metadata.count("containerimage.config/linux/amd64"), 1u);
  EXPECT_THAT(bridge_.resolved, Contains("[linux/arm/v7 internal] load metadata for "
                                         "docker.io/library/busybox:latest"));
}

TEST_F(FrontendTest, NamedContextsReplaceImagesAndStages) {
  bridge_.inputs_["other"] = llb::Marshal(llb::Source("docker-image://from-input"));
  ASSERT_OK(
      Solve("FROM base AS one\nRUN a\nFROM two AS two\nRUN never\nFROM one\n"
            "COPY --from=two x /\nCOPY --from=files y /",
            {{"context:base", "docker-image://alpine:3"},
             {"context:two", "input:other"},
             {"context:files", "local:dir"},
             {"local-sessionid:dir", "elsewhere"}}));
  EXPECT_THAT(bridge_.names, Contains("[context base] alpine:3"));
  EXPECT_THAT(bridge_.names, Contains("docker-image://from-input"));
  EXPECT_THAT(bridge_.names, Contains("[context files] load .dockerignore"));
  EXPECT_THAT(bridge_.names, Contains("[context files] load from client"));
  EXPECT_THAT(bridge_.names, Not(Contains(HasSubstr("never"))));
  EXPECT_EQ(std::string(Solve("FROM base", {{"context:base", "ftp:x"}}).status().message()),
            "unsupported context source ftp for base");
}

// An empty definition for the context or the Dockerfile was taken for an empty directory, and the
// build failed for want of a Dockerfile.
TEST_F(FrontendTest, AContextThatIsNothingIsNamed) {
  bridge_.inputs_["dockerfile"] = pb::Definition();
  EXPECT_THAT(Solve("FROM scratch", {}).status().message(),
              HasSubstr("input dockerfile: invalid nil input definition to definition op"));
}

// A source policy may put a directory of the client in the place of an image.
TEST_F(FrontendTest, ANamedContextFollowsThePolicy) {
  ASSERT_OK(Solve("FROM scratch\nCOPY --from=other x /",
                  {{"context:other", "docker-image://replaced-by-local"}}));
  EXPECT_THAT(bridge_.names, Contains("[context other] load from client"));
}

TEST_F(FrontendTest, RemoteContextsBringTheDockerfile) {
  ASSERT_OK(
      Solve("FROM scratch\nCOPY . /", {{"context", "https://example.com/repo.git#main:sub"}}));
  EXPECT_THAT(bridge_.names,
              Contains("[internal] load git source https://example.com/repo.git#main:sub"));
  EXPECT_THAT(bridge_.names, Not(Contains(HasSubstr(".dockerignore"))));
  bridge_.files["context"] = "FROM scratch\nCOPY context /";
  ASSERT_OK(Solve("", {{"context", "https://example.com/Dockerfile"}}));
  EXPECT_THAT(bridge_.names, Contains("[internal] load remote build context"));
}

TEST_F(FrontendTest, AnswersSubrequests) {
  const std::string dockerfile =
      "# VERSION of the thing\nARG VERSION=1\nFROM busybox:$VERSION AS base\n"
      "# out the result\nFROM base AS out\nRUN --mount=type=secret,id=s,required true\n"
      "MAINTAINER me";
  const auto answer = [&](const std::string& request) {
    auto result = Solve(dockerfile, {{"requestid", request}});
    EXPECT_OK(result);
    return result->metadata;
  };
  const auto targets = answer("frontend.targets");
  EXPECT_EQ(targets.at("result.txt"),
            "TARGET        DESCRIPTION\nbase          \nout (default) the result\n");
  const auto outline = nlohmann::json::parse(answer("frontend.outline").at("result.json"));
  EXPECT_EQ(outline["name"], "out");
  EXPECT_EQ(outline["description"], "the result");
  EXPECT_EQ(outline["args"][0]["name"], "VERSION");
  EXPECT_EQ(outline["args"][0]["description"], "of the thing");
  EXPECT_EQ(outline["secrets"][0]["required"], true);
  const auto lint = answer("frontend.lint");
  EXPECT_EQ(lint.at("result.statuscode"), "1");
  EXPECT_EQ(lint.at("result.txt"),
            "\nWARNING: MaintainerDeprecated - "
            "https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/\n"
            "Maintainer instruction is deprecated in favor of using label\n"
            "Dockerfile:7\n--------------------\n"
            "   5 |     FROM base AS out\n"
            "   6 |     RUN --mount=type=secret,id=s,required true\n"
            "   7 | >>> MAINTAINER me\n"
            "--------------------\n");
  EXPECT_THAT(answer("frontend.subrequests.describe").at("result.txt"), HasSubstr("outline"));
  EXPECT_THAT(answer("frontend.convertllb").at("result.json"), HasSubstr("/run/secrets/s"));
}

TEST_F(FrontendTest, ScansForAnSbomWhenAsked) {
  ASSERT_OK_AND_ASSIGN(const solver::FrontendResult result,
                       Solve("FROM busybox\nRUN x", {{"attest:sbom", ""}}));
  ASSERT_THAT(result.attestations, SizeIs(1));
  const auto& attestations = result.attestations.begin()->second;
  EXPECT_EQ(attestations.at(0).metadata.at("sbom-core"), "sbom");
  EXPECT_THAT(bridge_.names, Contains(HasSubstr("generating sbom using "
                                                "docker.io/docker/buildkit-syft-scanner")));
}

}  // namespace
}  // namespace cairn::dockerfile

#include "daemon/control/build_runner.h"

#include <thread>

#include "runtime/base/thread_pool.h"
#include "tests/unit/daemon/control/fake_bridge.h"
#include "tests/unit/daemon/control/fake_build.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using testing::StatusIs;

class FakeSolver final : public solver::Solver {
 public:
  StatusOr<std::unique_ptr<solver::Job>> NewJob(solver::JobOptions options) override {
    progress_ = std::make_shared<solver::ProgressLog>(clock_);
    return std::unique_ptr<solver::Job>(std::make_unique<FakeJob>(std::move(options), progress_));
  }
  StatusOr<std::shared_ptr<solver::ProgressLog>> FindProgress(const std::string&, absl::Duration,
                                                              const CancelToken&) override {
    return progress_;
  }
  std::vector<std::string> DescribeWaits() override { return {}; }

 private:
  const SystemClock clock_;
  std::shared_ptr<solver::ProgressLog> progress_;
};

// Says what it was given.
class FakeExporter final : public exporter::Exporter {
 public:
  class FakeExport final : public exporter::Export {
   public:
    std::string name() const override { return "exporting"; }
    StatusOr<std::map<std::string, std::string>> Run(const exporter::SolvedResult& result,
                                                     exporter::ExportContext& context) override {
      return std::map<std::string, std::string>{
          {"index", std::to_string(context.index)},
          {"platforms", std::to_string(result.by_platform.size())}};
    }
  };
  StatusOr<std::unique_ptr<exporter::Export>> Resolve(
      const std::map<std::string, std::string>& attributes) override {
    if (attributes.count("bad") > 0) {
      return absl::InvalidArgumentError("bad attribute");
    }
    return std::unique_ptr<exporter::Export>(std::make_unique<FakeExport>());
  }
};

class FakeFrontend final : public solver::Frontend {
 public:
  StatusOr<solver::FrontendResult> Solve(solver::Bridge&, const solver::FrontendRequest& request,
                                         const CancelToken&) override {
    if (request.options.count("fail") > 0) {
      return absl::InvalidArgumentError("dockerfile parse error");
    }
    solver::FrontendResult result;
    result.refs["linux/amd64"] = std::make_shared<FakeRef>("a");
    result.refs["linux/arm64"] = nullptr;
    result.metadata = {{"frontend.x", "y"}, {"hidden", "z"}};
    return result;
  }
};

class NoSources final : public SourceResolver {
  StatusOr<solver::ImageConfig> ResolveImageConfig(solver::Job&, const solver::ResolveImageRequest&,
                                                   solver::VertexReporter&,
                                                   const CancelToken&) override {
    return absl::NotFoundError("no images");
  }
  StatusOr<solver::SourceMeta> ResolveSourceMeta(solver::Job&, const solver::ResolveSourceRequest&,
                                                 solver::VertexReporter&,
                                                 const CancelToken&) override {
    return absl::NotFoundError("no sources");
  }
};

class RecordingObserver final : public BuildObserver {
 public:
  void OnStart(const BuildRequest& request, absl::Time) override { started.push_back(request.ref); }
  void OnEnd(const FinishedBuild& build) override { ended.push_back(build.status); }
  std::vector<std::string> started;
  std::vector<Status> ended;
};

class BuildRunnerTest : public ::testing::Test {
 protected:
  BuildRunnerTest() {
    frontends_["dockerfile.v0"] = std::make_unique<FakeFrontend>();
    exporters_["fake"] = std::make_unique<FakeExporter>();
  }

  static BuildRequest Request() {
    BuildRequest request;
    request.ref = "build";
    request.frontend = "dockerfile.v0";
    return request;
  }

  const SystemClock clock_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  FakeSolver solver_;
  session::SessionManager sessions_{log_};
  Frontends frontends_;
  Exporters exporters_;
  NoSources sources_;
  std::vector<Platform> platforms_ = {Platform::Host()};
  RecordingObserver observer_;
  testing::TempDir dir_;
  std::unique_ptr<blob::Database> database_ = *blob::Database::Open(dir_ / "db");
  std::unique_ptr<blob::BlobStore> blobs_ = *blob::BlobStore::Open(dir_ / "blobs", *database_);
  tree::TreeStore trees_{*blobs_};
  layer::ChainStore chains_{trees_, *database_};
  layer::LayerExporter layers_{trees_, *database_};
  std::unique_ptr<gc::Ledger> ledger_ = *gc::Ledger::Open(*database_, trees_);
  steps::StepTable steps_{*database_};
  net::HttpClient http_;
  registry::RegistryClient registry_{http_, registry::HostTable(), clock_};
  const caches::CacheParts caches_{chains_,
                                   layers_,
                                   *ledger_,
                                   steps_,
                                   registry_,
                                   [](const session::SessionGroup&) { return std::make_unique<registry::NoCredentials>(); },
                                   sessions_,
                                   clock_,
                                   log_};
  BuildRunner runner_{{solver_,
                       sessions_,
                       {frontends_, sources_, chains_, platforms_},
                       exporters_,
                       solver::Entitlements({solver::Entitlement::kNetworkHost}),
                       observer_,
                       clock_,
                       log_,
                       caches_}};
};

TEST_F(BuildRunnerTest, ExportersAnswersAndFrontendMetadataAreMerged) {
  BuildRequest request = Request();
  request.exporters = {{"fake", {}}};

  ASSERT_OK_AND_ASSIGN(const auto response, runner_.Run(request, {}));

  EXPECT_THAT(response,
              ElementsAre(Pair("frontend.x", "y"), Pair("index", "0"), Pair("platforms", "2")));
  EXPECT_THAT(observer_.started, ElementsAre("build"));
  ASSERT_EQ(observer_.ended.size(), 1U);
  EXPECT_OK(observer_.ended[0]);
}

TEST_F(BuildRunnerTest, CachesThatCannotBeAreRefusedBeforeAnythingRuns) {
  const std::vector<std::pair<std::vector<TypedAttributes>, std::string>> cases = {
      {{{"ftp", {}}}, "unknown cache exporter: \"ftp\""},
      {{{"registry", {}}}, "failed to configure registry cache exporter: missing ref"},
      {{{"local", {}}},
       "failed to configure local cache exporter: local cache exporter requires dest"},
      {{{"registry", {{"ref", "x"}}}, {"registry", {{"ref", "x"}}}},
       "duplicate cache exports [registry]"},
  };
  for (const auto& [exports, message] : cases) {
    BuildRequest request = Request();
    request.cache_exports = exports;
    EXPECT_THAT(runner_.Run(request, {}), StatusIs(absl::StatusCode::kUnknown, message));
  }
  // Asked for twice, an inline cache is one.
  BuildRequest request = Request();
  request.cache_exports = {{"inline", {}}, {"inline", {}}};
  EXPECT_OK(runner_.Run(request, {}));
}

TEST_F(BuildRunnerTest, ACacheThatCannotBeImportedIsNoFailure) {
  BuildRequest request = Request();
  request.cache_imports = {{"ftp", {}}, {"registry", {}}, {"local", {{"src", "x"}}}};
  EXPECT_OK(runner_.Run(request, {}));
}

TEST_F(BuildRunnerTest, OfSeveralExportersTheLastOnesAnswersStay) {
  BuildRequest request = Request();
  request.exporters = {{"fake", {}}, {"fake", {}}};

  ASSERT_OK_AND_ASSIGN(const auto response, runner_.Run(request, {}));

  EXPECT_EQ(response.at("index"), "1");
}

TEST_F(BuildRunnerTest, InternalBuildsLeaveNoTrace) {
  BuildRequest request = Request();
  request.internal = true;

  ASSERT_OK(runner_.Run(request, {}));

  EXPECT_TRUE(observer_.started.empty());
}

TEST_F(BuildRunnerTest, UnknownNamesAreErrors) {
  BuildRequest request = Request();
  request.exporters = {{"nope", {}}};
  EXPECT_THAT(runner_.Run(request, {}),
              StatusIs(absl::StatusCode::kUnknown, "exporter \"nope\" could not be found"));

  request = Request();
  request.frontend = "nope.v0";
  EXPECT_THAT(runner_.Run(request, {}),
              StatusIs(absl::StatusCode::kUnknown, "invalid frontend: nope.v0"));
}

TEST_F(BuildRunnerTest, FailuresOfFrontendsAreRecorded) {
  BuildRequest request = Request();
  request.frontend_attributes = {{"fail", ""}};

  EXPECT_THAT(runner_.Run(request, {}),
              StatusIs(absl::StatusCode::kUnknown, "dockerfile parse error"));
  EXPECT_FALSE(observer_.ended.at(0).ok());
}

TEST_F(BuildRunnerTest, EntitlementsMustBeAllowed) {
  BuildRequest request = Request();
  request.entitlements = {"security.insecure"};
  EXPECT_EQ(runner_.Run(request, {}).status().code(), absl::StatusCode::kPermissionDenied);

  request.entitlements = {"network.host"};
  EXPECT_OK(runner_.Run(request, {}));
}

TEST_F(BuildRunnerTest, GatewayBuildWaitsForItsDriver) {
  BuildRequest request = Request();
  request.frontend.clear();
  request.exporters = {{"fake", {}}};
  std::thread driver = StartThread("driver", [this] {
    const auto build = runner_.FindGateway("build", {});
    ASSERT_OK(build);
    solver::SolveRequest solve;
    solve.frontend = "dockerfile.v0";
    auto result = (*build)->bridge().Solve(solve, {});
    ASSERT_OK(result);
    ASSERT_OK((*build)->Return(std::move(result)));
  });

  ASSERT_OK_AND_ASSIGN(const auto response, runner_.Run(request, {}));
  driver.join();

  EXPECT_EQ(response.at("platforms"), "2");
}

TEST_F(BuildRunnerTest, GatewayBuildEndsWithItsClient) {
  BuildRequest request = Request();
  request.frontend.clear();
  CancelSource client;
  std::thread leaving = StartThread("client", [this, &client] {
    EXPECT_OK(runner_.FindGateway("build", {}));
    client.Cancel();
  });

  EXPECT_EQ(runner_.Run(request, client.token()).status().code(), absl::StatusCode::kCancelled);
  leaving.join();
}

TEST_F(BuildRunnerTest, UnknownGatewayBuildsAreNoSuchJob) {
  CancelSource cancel;
  cancel.Cancel();
  EXPECT_EQ(runner_.FindGateway("nope", cancel.token()).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace cairn::control

#include "daemon/control/bridge_calls.h"

#include "proto/rpc_status.pb.h"
#include "tests/unit/daemon/control/fake_bridge.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class BridgeCallsTest : public ::testing::Test {
 protected:
  FakeBridge bridge_;
  GatewayBuild build_{"build", bridge_, CancelToken()};
};

TEST_F(BridgeCallsTest, EmptySolveLeavesTheResultUnset) {
  gateway::SolveRequest request;
  request.set_allowresultreturn(true);
  request.set_allowresultarrayref(true);
  gateway::SolveResponse response;

  ASSERT_OK(CallSolve(build_, {}, request, &response));

  EXPECT_EQ(response.result().result_case(), gateway::Result::RESULT_NOT_SET);
  EXPECT_TRUE(response.result().metadata().empty());
}

TEST_F(BridgeCallsTest, RefsComeBackAsIdsWithTheirDefinition) {
  solver::FrontendResult result;
  result.refs["linux/amd64"] = std::make_shared<FakeRef>("a");
  result.refs["linux/arm64"] = nullptr;
  result.metadata["k"] = "v";
  bridge_.result = result;
  gateway::SolveRequest request;
  request.set_frontend("dockerfile.v0");
  (*request.mutable_frontendopt())["target"] = "x";
  request.set_allowresultreturn(true);
  request.set_allowresultarrayref(true);
  gateway::SolveResponse response;

  ASSERT_OK(CallSolve(build_, {}, request, &response));

  EXPECT_EQ(bridge_.last_request.request.options.at("target"), "x");
  const auto& refs = response.result().refs().refs();
  EXPECT_EQ(refs.at("linux/amd64").def().def(0), "a");
  EXPECT_EQ(refs.at("linux/arm64").id(), "");
  ASSERT_OK_AND_ASSIGN(const auto ref, build_.FindRef(refs.at("linux/amd64").id()));
  EXPECT_EQ(ref, result.refs["linux/amd64"]);
}

TEST_F(BridgeCallsTest, OlderClientsGetTheOlderField) {
  solver::FrontendResult result;
  result.ref = std::make_shared<FakeRef>("a");
  bridge_.result = result;
  gateway::SolveResponse response;

  ASSERT_OK(CallSolve(build_, {}, gateway::SolveRequest(), &response));

  EXPECT_NE(response.ref(), "");
  EXPECT_FALSE(response.has_result());
}

TEST_F(BridgeCallsTest, DefinitionAndFrontendTogetherAreRefused) {
  gateway::SolveRequest request;
  request.set_frontend("dockerfile.v0");
  request.mutable_definition()->add_def("x");
  gateway::SolveResponse response;

  EXPECT_EQ(CallSolve(build_, {}, request, &response).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(BridgeCallsTest, FilesAreReadWithRanges) {
  gateway::ReadFileRequest request;
  request.set_filepath("/f");
  request.mutable_range()->set_offset(3);
  request.mutable_range()->set_length(2);
  gateway::ReadFileResponse response;

  ASSERT_OK(CallReadFile(build_, {}, request, &response));
  EXPECT_EQ(response.data(), "te");

  request.mutable_range()->set_offset(-1);
  EXPECT_EQ(CallReadFile(build_, {}, request, &response).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(BridgeCallsTest, DirectoriesHaveGoModes) {
  gateway::ReadDirResponse response;

  ASSERT_OK(CallReadDir(build_, {}, gateway::ReadDirRequest(), &response));

  ASSERT_EQ(response.entries_size(), 1);
  EXPECT_EQ(response.entries(0).mode(), 0x80000000U | 0755);
}

TEST_F(BridgeCallsTest, WarningsNeedAVertexAndHaveALevel) {
  gateway::WarnRequest request;
  gateway::WarnResponse response;
  request.set_digest("nonsense");
  EXPECT_EQ(CallWarn(build_, {}, request, &response).code(), absl::StatusCode::kInvalidArgument);

  request.set_digest(Digest::Of("v").ToString());
  request.set_short_("careful");
  ASSERT_OK(CallWarn(build_, {}, request, &response));
  EXPECT_EQ(bridge_.warnings.at(0).level, 1);
  EXPECT_EQ(bridge_.warnings.at(0).short_text, "careful");
}

TEST_F(BridgeCallsTest, ReturnHandsOverTheResult) {
  const auto ref = std::make_shared<FakeRef>("a");
  gateway::ReturnRequest request;
  (*request.mutable_result()->mutable_refs()->mutable_refs())["p"].set_id(build_.AddRef(ref));
  request.mutable_result()->mutable_refs()->mutable_refs()->operator[]("empty");
  (*request.mutable_result()->mutable_metadata())["k"] = "v";
  gateway::ReturnResponse response;

  ASSERT_OK(CallReturn(build_, {}, request, &response));
  ASSERT_OK_AND_ASSIGN(const auto result, build_.WaitForReturn({}));

  EXPECT_EQ(result.refs.at("p"), ref);
  EXPECT_EQ(result.refs.at("empty"), nullptr);
  EXPECT_EQ(result.metadata.at("k"), "v");
  EXPECT_FALSE(CallReturn(build_, {}, request, &response).ok());
}

TEST_F(BridgeCallsTest, ProbeBuildReturnsAnEmptyRef) {
  gateway::ReturnRequest request;
  request.mutable_result()->mutable_ref();
  gateway::ReturnResponse response;

  ASSERT_OK(CallReturn(build_, {}, request, &response));
  ASSERT_OK_AND_ASSIGN(const auto result, build_.WaitForReturn({}));

  EXPECT_TRUE(result.ref.has_value());
  EXPECT_EQ(*result.ref, nullptr);
}

TEST_F(BridgeCallsTest, ReturnedErrorsKeepCodeAndDetails) {
  gateway::ReturnRequest request;
  request.mutable_error()->set_code(2);
  request.mutable_error()->set_message("frontend failed");
  auto* detail = request.mutable_error()->add_details();
  detail->set_type_url("github.com/moby/buildkit/errdefs.Vertex+json");
  detail->set_value("{}");
  gateway::ReturnResponse response;

  ASSERT_OK(CallReturn(build_, {}, request, &response));

  const auto result = build_.WaitForReturn({});
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnknown, "frontend failed"));
  EXPECT_TRUE(
      result.status().GetPayload("github.com/moby/buildkit/errdefs.Vertex+json").has_value());
}

TEST_F(BridgeCallsTest, UnknownRefsAreNotFound) {
  gateway::EvaluateRequest request;
  request.set_ref("nope");
  gateway::EvaluateResponse response;

  EXPECT_THAT(CallEvaluate(build_, {}, request, &response),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no such ref")));
}

TEST_F(BridgeCallsTest, FailedStepsAreUnknownToClients) {
  gateway::EvaluateRequest request;
  request.set_ref(
      build_.AddRef(std::make_shared<FakeRef>("a", absl::NotFoundError("\"/x\": not found"))));
  gateway::EvaluateResponse response;

  EXPECT_THAT(CallEvaluate(build_, {}, request, &response),
              StatusIs(absl::StatusCode::kUnknown, "\"/x\": not found"));
}

TEST(PingTest, ListsCapabilitiesAndTheWorker) {
  WorkerInfo worker;
  worker.id = "w";
  worker.platforms = {Platform::Host()};
  gateway::PongResponse response;

  AnswerPing(worker, &response);

  EXPECT_GT(response.frontendapicaps_size(), 20);
  EXPECT_GT(response.llbcaps_size(), 50);
  for (const auto& cap : response.llbcaps()) {
    EXPECT_TRUE(cap.enabled()) << cap.id();
  }
  EXPECT_EQ(response.workers(0).id(), "w");
  EXPECT_EQ(response.workers(0).platforms_size(), 1);
}

}  // namespace
}  // namespace cairn::control

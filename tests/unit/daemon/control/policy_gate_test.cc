#include "daemon/control/policy_gate.h"

#include "daemon/llb/builder.h"
#include "daemon/llb/graph.h"
#include "daemon/session/rpc_status.h"
#include "proto/policy_session.grpc.pb.h"
#include "tests/unit/daemon/control/fake_build.h"
#include "tests/unit/daemon/session/fake_client.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

namespace sourcepolicy = moby::buildkit::v1::sourcepolicy;
namespace policysession = sourcepolicy::policysession;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kAlpine[] = "docker-image://docker.io/library/alpine:latest";
constexpr char kBusybox[] = "docker-image://docker.io/library/busybox:latest";

// Answers what it is told to, one answer after the other.
class Verifier final : public policysession::PolicyVerifier::Service {
 public:
  std::vector<policysession::CheckPolicyResponse> answers;
  std::vector<policysession::CheckPolicyRequest> requests;

  void Decide(sourcepolicy::PolicyAction action, const std::string& update = "") {
    policysession::CheckPolicyResponse answer;
    answer.mutable_decision()->set_action(action);
    if (!update.empty()) {
      answer.mutable_decision()->mutable_update()->set_identifier(update);
    }
    answers.push_back(answer);
  }

 private:
  grpc::Status CheckPolicy(grpc::ServerContext*, const policysession::CheckPolicyRequest* request,
                           policysession::CheckPolicyResponse* response) override {
    *response = answers.at(std::min(requests.size(), answers.size() - 1));
    requests.push_back(*request);
    return grpc::Status::OK;
  }
};

// Knows every image.
class AllImages final : public SourceResolver {
  StatusOr<solver::ImageConfig> ResolveImageConfig(solver::Job&, const solver::ResolveImageRequest&,
                                                   solver::VertexReporter&,
                                                   const CancelToken&) override {
    return absl::NotFoundError("no images");
  }
  StatusOr<solver::SourceMeta> ResolveSourceMeta(solver::Job&,
                                                 const solver::ResolveSourceRequest& request,
                                                 solver::VertexReporter&,
                                                 const CancelToken&) override {
    return solver::SourceMeta{.source = request.source,
                              .image = solver::ImageConfig{
                                  .reference = "x", .digest = Digest::Of("image"), .config = "{}"}};
  }
};

class PolicyGateTest : public ::testing::Test {
 protected:
  std::shared_ptr<PolicyGate> Gate(solver::SourcePolicies policies, const std::string& session) {
    auto gate = *PolicyGate::Create(std::move(policies), session, sources_, sessions_);
    gate->Attach(job_);
    return gate;
  }
  std::shared_ptr<PolicyGate> AskingGate() {
    sessions_.Add(client_.shared_session());
    return Gate({}, "client");
  }
  static StatusOr<std::string> SourceOf(const StatusOr<pb::Definition>& definition) {
    RETURN_IF_ERROR(definition.status());
    ASSIGN_OR_RETURN(const llb::Graph graph, llb::Graph::Load(*definition));
    return graph.vertices().at(0)->op->source().identifier();
  }

  Logger log_{LogLevel::kError, LogFormat::kText};
  session::SessionManager sessions_{log_};
  Verifier verifier_;
  session::FakeClient client_{{&verifier_}};
  AllImages sources_;
  FakeJob job_{{.id = "build"}};
  const pb::Definition definition_ = llb::Marshal(llb::Source("docker-image://alpine"));
};

sourcepolicy::Policy Denying(const std::string& identifier) {
  sourcepolicy::Policy policy;
  policy.add_rules()->set_action(sourcepolicy::DENY);
  policy.mutable_rules(0)->mutable_selector()->set_identifier(identifier);
  return policy;
}

TEST_F(PolicyGateTest, RulesSeeNormalisedNamesOfEverySource) {
  const auto gate = Gate({Denying(kAlpine)}, "");
  EXPECT_THAT(gate->Check(definition_, {}, {}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("error evaluating the source policy: source \"")));
  pb::SourceOp source;
  source.set_identifier("docker-image://alpine");
  EXPECT_THAT(gate->CheckSource(&source, {}, {}, {}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("could not resolve image due to policy")));
}

TEST_F(PolicyGateTest, RulesOfOneRequestDoNotOutliveIt) {
  const auto gate = Gate({}, "");
  EXPECT_FALSE(gate->Check(definition_, {Denying(kAlpine)}, {}).ok());
  ASSERT_OK_AND_ASSIGN(const pb::Definition passed, gate->Check(definition_, {}, {}));
  EXPECT_EQ(passed.def(0), definition_.def(0));
}

// A definition that a build writes into a file and solves (a build op) is no way round the rules.
TEST_F(PolicyGateTest, DefinitionsThatNobodyCheckedAreFiltered) {
  const auto gate = Gate({Denying(kAlpine)}, "");
  EXPECT_FALSE(gate->Filter(definition_, {}).ok());
  EXPECT_OK(gate->Filter(llb::Marshal(llb::Source(kBusybox)), {}));
}

TEST_F(PolicyGateTest, TheClientIsAskedOnceForWhatItLetThrough) {
  const auto gate = AskingGate();
  verifier_.Decide(sourcepolicy::CONVERT, kBusybox);
  verifier_.Decide(sourcepolicy::ALLOW);

  const auto passed = gate->Check(definition_, {}, {});

  EXPECT_THAT(SourceOf(passed), testing::IsOkAndHolds(kBusybox));
  ASSERT_EQ(verifier_.requests.size(), 2u);
  EXPECT_EQ(verifier_.requests[0].source().source().identifier(), kAlpine);
  EXPECT_EQ(verifier_.requests[1].source().source().identifier(), kBusybox);
  EXPECT_OK(gate->Filter(*passed, {}));
  EXPECT_EQ(verifier_.requests.size(), 2u);
}

TEST_F(PolicyGateTest, TheClientLearnsWhatItAsks) {
  const auto gate = AskingGate();
  policysession::CheckPolicyResponse question;
  question.mutable_request()->mutable_source()->set_identifier(kAlpine);
  verifier_.answers.push_back(question);
  verifier_.Decide(sourcepolicy::ALLOW);

  ASSERT_OK(gate->Check(definition_, {}, {}));

  ASSERT_EQ(verifier_.requests.size(), 2u);
  EXPECT_FALSE(verifier_.requests[0].source().has_image());
  EXPECT_EQ(verifier_.requests[1].source().image().digest(), Digest::Of("image").ToString());
  EXPECT_EQ(verifier_.requests[1].source().source().identifier(), kAlpine);
}

TEST_F(PolicyGateTest, ReasonsOfADenialTravelAsADetail) {
  const auto gate = AskingGate();
  verifier_.Decide(sourcepolicy::DENY);
  verifier_.answers[0].mutable_decision()->add_denymessages()->set_message("use busybox");

  const Status denied = gate->Check(definition_, {}, {}).status();

  EXPECT_THAT(denied, StatusIs(absl::StatusCode::kPermissionDenied,
                               HasSubstr("not allowed by policy: action DENY")));
  EXPECT_THAT(session::ErrorDetailJson(denied, "policysession.DecisionResponse+json"),
              HasSubstr("use busybox"));
}

TEST_F(PolicyGateTest, AClientThatNeverDecidesIsGivenUp) {
  const auto gate = AskingGate();
  verifier_.Decide(sourcepolicy::CONVERT, kAlpine);
  EXPECT_THAT(
      gate->Check(definition_, {}, {}).status(),
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("too many policy requests")));
  EXPECT_EQ(verifier_.requests.size(), 10u);
}

}  // namespace
}  // namespace cairn::control

#include "daemon/solver/step_draft.h"

#include "daemon/llb/builder.h"
#include "proto/ops.pb.h"
#include "tests/unit/testing.h"

namespace cairn::solver {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class NoOp final : public Op {
 public:
  StatusOr<Prepared> Prepare(OpContext&) override { return absl::UnimplementedError(""); }
  StatusOr<std::vector<OpOutput>> Run(OpContext&, const std::vector<layer::Chain>&) override {
    return absl::UnimplementedError("");
  }
};

// Drafts of a step that asks for the optional device "v.com/c".
class StepDraftTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto node = std::make_shared<llb::Node>();
    pb::ExecOp& exec = *node->op.mutable_exec();
    exec.mutable_meta()->add_args("true");
    exec.mutable_meta()->set_cwd("/");
    pb::Mount& root = *exec.add_mounts();
    root.set_dest("/");
    root.set_input(-1);
    pb::CDIDevice& device = *exec.add_cdidevices();
    device.set_name("v.com/c");
    device.set_optional(true);
    ASSERT_OK_AND_ASSIGN(graph_, llb::Graph::Load(llb::Marshal({.node = std::move(node)})));
  }

  // The draft, and the devices it was made for.
  StatusOr<StepDraft> Draft(const std::vector<std::string>& entitlements) {
    ASSIGN_OR_RETURN(const Entitlements granted, Entitlements::Parse(entitlements));
    devices_.clear();
    ASSIGN_OR_RETURN(
        std::vector<StepDraft> drafts,
        MakeDrafts(graph_, granted, {}, &registry_,
                   [this](const llb::Vertex& vertex) -> StatusOr<std::unique_ptr<Op>> {
                     for (const pb::CDIDevice& device : vertex.op->exec().cdidevices()) {
                       devices_.push_back(device.name());
                     }
                     return std::make_unique<NoOp>();
                   }));
    return std::move(drafts.front());
  }

  void WriteSpec(const std::string& device) {
    directory_.Write("spec.yaml", "cdiVersion: 0.6.0\nkind: v.com/c\ndevices:\n- name: " + device +
                                      "\n  containerEdits: {env: [A=1]}\n");
  }

  const testing::TempDir directory_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  const devices::DeviceRegistry registry_{{.directories = {directory_.path()}}, log_};
  llb::Graph graph_;
  std::vector<std::string> devices_;
};

TEST_F(StepDraftTest, DeviceThatIsNotThereIsLeftOut) {
  const auto draft = Draft({});
  ASSERT_OK(draft);
  EXPECT_THAT(devices_, IsEmpty());
  EXPECT_EQ(draft->identity, draft->vertex->digest);
}

TEST_F(StepDraftTest, DevicesAreNamedInFullAndTellStepsApart) {
  WriteSpec("a");
  const auto first = Draft({"device"});
  ASSERT_OK(first);
  EXPECT_THAT(devices_, ElementsAre("v.com/c=a"));
  EXPECT_FALSE(first->vertex->op->exec().cdidevices(0).optional());
  WriteSpec("b");
  const auto second = Draft({"device"});
  ASSERT_OK(second);
  EXPECT_THAT(devices_, ElementsAre("v.com/c=b"));
  EXPECT_EQ(first->vertex->digest, second->vertex->digest);
  EXPECT_NE(first->identity, second->identity);
}

TEST_F(StepDraftTest, DeviceThatIsNotGrantedIsAnError) {
  WriteSpec("a");
  EXPECT_THAT(Draft({}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("device v.com/c=a is requested by the build but not allowed")));
}

}  // namespace
}  // namespace cairn::solver

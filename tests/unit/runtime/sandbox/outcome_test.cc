// How the end of a process is told.
#include "tests/unit/runtime/sandbox/sandbox_fixture.h"

namespace cairn::sandbox {
namespace {

using Kind = RunOutcome::Kind;
using ::testing::HasSubstr;

class OutcomeTest : public SandboxTest {};

TEST_F(OutcomeTest, ExitCodeAndOutputComeBack) {
  const Result result = RunShell("echo hello; echo problem >&2; exit 3");
  EXPECT_EQ(result.outcome.kind, Kind::kExited) << ToString(result.outcome);
  EXPECT_EQ(result.outcome.exit_code, 3);
  EXPECT_EQ(result.out, "hello\nproblem\n");
}

TEST_F(OutcomeTest, SuccessIsSuccess) {
  EXPECT_TRUE(RunShell("true").outcome.success());
  EXPECT_FALSE(RunShell("false").outcome.success());
}

}  // namespace
}  // namespace cairn::sandbox

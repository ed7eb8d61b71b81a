#include "daemon/ops/exec_spec.h"

#include "daemon/llb/errors.h"
#include "tests/unit/testing.h"

namespace cairn::ops {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

pb::Meta Meta(const std::vector<std::string>& args) {
  pb::Meta meta;
  for (const std::string& arg : args) {
    meta.add_args(arg);
  }
  return meta;
}

sandbox::RunOutcome Exited(int code) {
  sandbox::RunOutcome outcome;
  outcome.kind = sandbox::RunOutcome::Kind::kExited;
  outcome.exit_code = code;
  return outcome;
}

TEST(ExecSpecTest, PathIsAddedAndProxiesHaveBothSpellings) {
  pb::Meta meta = Meta({"true"});
  meta.mutable_proxy_env()->set_http_proxy("p");
  const auto process = ProcessOf(meta);
  EXPECT_THAT(process.env,
              ElementsAre("HTTP_PROXY=p", "http_proxy=p", std::string("PATH=") + kDefaultPath));
  EXPECT_EQ(process.cwd, "/");
}

TEST(ExecSpecTest, OwnPathStays) {
  pb::Meta meta = Meta({"true"});
  meta.add_env("PATH=/bin");
  EXPECT_THAT(ProcessOf(meta).env, ElementsAre("PATH=/bin"));
  EXPECT_THAT(ProcessOf({}, "windows").env,
              ElementsAre(std::string("PATH=") + kDefaultPathWindows));
}

TEST(ExecSpecTest, PowersNeedEntitlements) {
  pb::ExecOp exec;
  exec.set_network(pb::HOST);
  EXPECT_THAT(ContainerOf(exec, {}, {}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("entitlement network.host is not allowed")));
  const auto granted = *solver::Entitlements::Parse({"network.host", "security.insecure"});
  exec.set_security(pb::INSECURE);
  const auto container = ContainerOf(exec, {}, granted);
  ASSERT_OK(container);
  EXPECT_TRUE(container->network.host_entitlement.has_value());
  EXPECT_TRUE(container->insecure.has_value());
}

TEST(ExecSpecTest, ExitCodeIsInTheMessageAndInTheDetails) {
  const Status status = CheckOutcome(Exited(3), Meta({"/bin/sh", "-c", "exit 3"}), std::nullopt);
  EXPECT_EQ(std::string(status.message()),
            "process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3");
  EXPECT_EQ(llb::ExitCodeOf(status), 3u);
}

TEST(ExecSpecTest, ValidExitCodesReplaceZero) {
  pb::Meta meta = Meta({"x"});
  meta.add_validexitcodes(3);
  EXPECT_OK(CheckOutcome(Exited(3), meta, std::nullopt));
  EXPECT_FALSE(CheckOutcome(Exited(0), meta, std::nullopt).ok());
}

TEST(ExecSpecTest, OutOfMemorySaysSo) {
  sandbox::RunOutcome outcome = Exited(137);
  outcome.kind = sandbox::RunOutcome::Kind::kOomKilled;
  EXPECT_THAT(std::string(CheckOutcome(outcome, Meta({"x"}), std::nullopt).message()),
              HasSubstr("exit code: 137: out of memory"));
}

TEST(ExecSpecTest, CancelledIsCancelled) {
  sandbox::RunOutcome outcome = Exited(137);
  outcome.kind = sandbox::RunOutcome::Kind::kCancelled;
  EXPECT_TRUE(absl::IsCancelled(CheckOutcome(outcome, Meta({"x"}), std::nullopt)));
}

TEST(ExecSpecTest, ForeignPlatformIsExplained) {
  sandbox::RunOutcome outcome = Exited(126);
  outcome.message = "exec /bin/sh: exec format error";
  const std::string other = Platform::Host().architecture == "arm64" ? "amd64" : "arm64";
  EXPECT_THAT(
      std::string(CheckOutcome(outcome, Meta({"x"}), Platform{.os = "linux", .architecture = other})
                      .message()),
      HasSubstr("cannot be emulated"));
}

}  // namespace
}  // namespace cairn::ops

#include "daemon/control/gateway_build.h"

#include <thread>

#include "runtime/base/thread_pool.h"
#include "tests/unit/daemon/control/fake_bridge.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

class GatewayBuildTest : public ::testing::Test {
 protected:
  FakeBridge bridge_;
  CancelSource build_cancel_;
  GatewayBuild build_{"b", bridge_, build_cancel_.token()};
};

TEST_F(GatewayBuildTest, RefsHaveIdsThatNobodyGuesses) {
  const auto ref = std::make_shared<FakeRef>("a");

  const std::string first = build_.AddRef(ref);
  const std::string second = build_.AddRef(ref);

  EXPECT_EQ(first.size(), 25U);
  EXPECT_NE(first, second);
  EXPECT_EQ(build_.AddRef(nullptr), "");
}

TEST_F(GatewayBuildTest, WaitEndsWithReturnOrCancellation) {
  std::thread driver =
      StartThread("driver", [this] { EXPECT_OK(build_.Return(solver::FrontendResult())); });
  EXPECT_OK(build_.WaitForReturn({}));
  driver.join();

  GatewayBuild other("c", bridge_, build_cancel_.token());
  std::thread canceller = StartThread("cancel", [this] { build_cancel_.Cancel(); });
  EXPECT_EQ(other.WaitForReturn(build_cancel_.token()).status().code(),
            absl::StatusCode::kCancelled);
  canceller.join();
}

TEST_F(GatewayBuildTest, CloseEndsRunningCallsAndLetsNewOnesFail) {
  ASSERT_TRUE(build_.EnterCall());
  std::thread call = StartThread("call", [this] {
    EXPECT_TRUE(build_.cancel().WaitFor(absl::Seconds(60)));
    build_.LeaveCall();
  });

  build_.Close();

  EXPECT_FALSE(build_.EnterCall());
  call.join();
}

}  // namespace
}  // namespace cairn::control

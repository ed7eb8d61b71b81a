#include "runtime/base/cancel.h"

#include <atomic>

#include "runtime/base/thread_pool.h"
#include "tests/unit/testing.h"

namespace cairn {
namespace {

TEST(CancelTest, TokenSeesCancelAndItsReason) {
  CancelSource source;
  const CancelToken token = source.token();
  EXPECT_OK(token.Check());
  source.Cancel("the client went away");
  EXPECT_THAT(token.Check(),
              testing::StatusIs(absl::StatusCode::kCancelled, "the client went away"));
}

TEST(CancelTest, ChildSourceFiresWithItsParentButNotTheOtherWay) {
  CancelSource parent;
  CancelSource child(parent.token());
  CancelSource other_child(parent.token());
  child.Cancel();
  EXPECT_FALSE(parent.token().cancelled());
  parent.Cancel();
  EXPECT_TRUE(other_child.token().cancelled());
}

TEST(CancelTest, CallbackRunsOnceAndNotAfterItsDestruction) {
  CancelSource source;
  int runs = 0;
  int removed_runs = 0;
  CancelCallback callback(source.token(), [&] { ++runs; });
  {
    CancelCallback removed(source.token(), [&] { ++removed_runs; });
  }
  source.Cancel();
  source.Cancel();
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(removed_runs, 0);
}

TEST(CancelTest, CallbackOnFiredTokenRunsAtOnce) {
  CancelSource source;
  source.Cancel();
  bool ran = false;
  CancelCallback callback(source.token(), [&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(CancelTest, WaitForEndsWhenAnotherThreadCancels) {
  CancelSource source;
  std::thread thread = StartThread("canceller", [&] { source.Cancel(); });
  EXPECT_TRUE(source.token().WaitFor(absl::Seconds(60)));
  thread.join();
}

TEST(CancelTest, WaitForTimesOutOnTokenThatNeverFires) {
  EXPECT_FALSE(CancelToken().WaitFor(absl::Milliseconds(1)));
}

}  // namespace
}  // namespace cairn

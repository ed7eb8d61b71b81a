#include "cache/layer/keyed_lock.h"

#include <thread>

#include "tests/unit/testing.h"

namespace cairn::layer {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::_;

TEST(KeyedLockTest, KeysDoNotWaitForEachOther) {
  KeyedLock lock;
  const auto a = lock.Acquire("a", {});
  const auto b = lock.Acquire("b", {});
  EXPECT_OK(a);
  EXPECT_OK(b);
}

TEST(KeyedLockTest, OneHolderPerKey) {
  KeyedLock lock;
  int inside = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        const auto guard = lock.Acquire("key", {});
        EXPECT_EQ(++inside, 1);
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(KeyedLockTest, WaitingEndsWhenCancelled) {
  KeyedLock lock;
  const auto held = lock.Acquire("key", {});
  CancelSource cancel;
  std::thread waiter([&] {
    EXPECT_THAT(lock.Acquire("key", cancel.token()), StatusIs(absl::StatusCode::kCancelled, _));
  });
  cancel.Cancel();
  waiter.join();
}

}  // namespace
}  // namespace cairn::layer

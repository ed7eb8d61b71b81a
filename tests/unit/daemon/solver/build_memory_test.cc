#include "daemon/solver/build_memory.h"

#include "daemon/solver/solved_ref.h"
#include "tests/unit/testing.h"

namespace cairn::solver {
namespace {

TEST(BuildMemoryTest, TheFirstAnswerStands) {
  BuildMemory memory;
  EXPECT_EQ(memory.Pinned("url"), std::nullopt);
  EXPECT_EQ(memory.Pin("url", "a"), "a");
  EXPECT_EQ(memory.Pin("url", "b"), "a");
  EXPECT_EQ(memory.Pinned("url"), "a");
}

TEST(BuildMemoryTest, OnlyOneIsFirst) {
  BuildMemory memory;
  EXPECT_TRUE(memory.IsFirst("a"));
  EXPECT_FALSE(memory.IsFirst("a"));
  EXPECT_TRUE(memory.IsFirst("b"));
}

TEST(BuildMemoryTest, ClearingLetsGo) {
  BuildMemory memory;
  RefPtr ref = MakeSolvedRef({{}, Digest::Of("content")});
  const std::weak_ptr<Ref> watched = ref;
  memory.Keep("id", std::move(ref));
  EXPECT_EQ(memory.Find("id")->Evaluate({})->content, Digest::Of("content"));
  memory.Clear();
  EXPECT_EQ(memory.Find("id"), nullptr);
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace cairn::solver

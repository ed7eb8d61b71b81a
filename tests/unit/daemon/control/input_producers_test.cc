#include "daemon/control/input_producers.h"

#include "daemon/llb/builder.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

std::shared_ptr<const provenance::Request> For(const std::string& target) {
  return std::make_shared<provenance::Request>(
      provenance::Request{.frontend = "dockerfile.v0", .arguments = {{"target", target}}});
}

class InputProducersTest : public ::testing::Test {
 protected:
  InputProducers producers_;
  const pb::Definition one_ = llb::Marshal(llb::Source("docker-image://one"));
  const pb::Definition two_ = llb::Marshal(llb::Source("docker-image://two"));
};

TEST_F(InputProducersTest, AGraphIsKnownUntilItsBuildEnds) {
  const uint64_t id = producers_.Add(one_, For("a"));
  ASSERT_NE(producers_.Find(one_), nullptr);
  EXPECT_EQ(*producers_.Find(one_), *For("a"));
  EXPECT_EQ(producers_.Find(two_), nullptr);
  producers_.Remove(id);
  EXPECT_EQ(producers_.Find(one_), nullptr);
}

TEST_F(InputProducersTest, WhoMadeItIsNotGuessed) {
  producers_.Add(one_, For("a"));
  producers_.Add(one_, For("a"));
  EXPECT_NE(producers_.Find(one_), nullptr);
  const uint64_t other = producers_.Add(one_, For("b"));
  EXPECT_EQ(producers_.Find(one_), nullptr);
  producers_.Remove(other);
  EXPECT_NE(producers_.Find(one_), nullptr);
}

TEST_F(InputProducersTest, NothingIsMadeByNobody) {
  EXPECT_EQ(producers_.Add(pb::Definition(), For("a")), 0u);
  EXPECT_EQ(producers_.Find(pb::Definition()), nullptr);
}

}  // namespace
}  // namespace cairn::control

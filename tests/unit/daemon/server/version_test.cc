#include "daemon/server/version.h"

#include "tests/unit/testing.h"

namespace cairn::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// File servers tell builders from other clients by "buildkit/v" in the user agent; ours was "cairn"
// alone.
TEST(VersionTest, UserAgentNamesCairnAndTheBuilderItIsCompatibleWith) {
  EXPECT_THAT(UserAgent(), StartsWith(std::string("cairn/") + kVersion));
  EXPECT_THAT(UserAgent(), HasSubstr("buildkit/v"));
}

}  // namespace
}  // namespace cairn::server

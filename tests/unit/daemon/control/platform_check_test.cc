#include "daemon/control/platform_check.h"

#include "runtime/base/platform.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const layer::Chain kChain{{}, Digest::Of("files")};

exporter::SolvedResult Single() {
  exporter::SolvedResult result;
  result.single = kChain;
  return result;
}

exporter::SolvedResult Multi() {
  exporter::SolvedResult result;
  result.by_platform = {{"linux/amd64", kChain}, {"linux/arm64", kChain}};
  result.metadata["refs.platforms"] =
      R"({"Platforms":[{"ID":"linux/amd64","Platform":{"os":"linux","architecture":"amd64"}},)"
      R"({"ID":"linux/arm64","Platform":{"os":"linux","architecture":"arm64"}}]})";
  return result;
}

TEST(PlatformCheckTest, WhatWasAskedForIsRight) {
  EXPECT_THAT(CheckPlatforms({}, Single()), IsEmpty());
  EXPECT_THAT(CheckPlatforms({{"platform", "linux/arm64,linux/amd64"}}, Multi()), IsEmpty());
}

TEST(PlatformCheckTest, OneResultForTwoPlatforms) {
  EXPECT_THAT(CheckPlatforms({{"platform", "linux/amd64,linux/arm64"}}, Single()),
              ElementsAre("Multiple platforms requested but result is not multi-platform"));
}

TEST(PlatformCheckTest, OtherPlatformsThanAskedFor) {
  EXPECT_THAT(CheckPlatforms({{"platform", "linux/amd64"}}, Multi()),
              ElementsAre("Requested platforms linux/amd64 do not match result platforms "
                          "linux/amd64,linux/arm64"));
  exporter::SolvedResult arm = Single();
  arm.metadata["containerimage.config"] = R"({"os":"linux","architecture":"arm64"})";
  EXPECT_THAT(CheckPlatforms({{"platform", "linux/s390x"}}, arm),
              ElementsAre("Requested platform \"linux/s390x\" does not match result platform "
                          "\"linux/arm64\""));
}

TEST(PlatformCheckTest, BadRequests) {
  EXPECT_THAT(CheckPlatforms({{"platform", "linux/amd64,linux/x86_64"}}, Single()),
              ElementsAre(HasSubstr("Duplicate platform result requested \"linux/x86_64\"")));
  EXPECT_THAT(CheckPlatforms({{"platform", "a/b/c/d/e"}}, Single()),
              ElementsAre(HasSubstr("Invalid platform result requested \"a/b/c/d/e\"")));
}

TEST(PlatformCheckTest, NothingToCheckWithoutFiles) {
  EXPECT_THAT(CheckPlatforms({{"platform", "linux/amd64,linux/arm64"}}, {}), IsEmpty());
}

}  // namespace
}  // namespace cairn::control

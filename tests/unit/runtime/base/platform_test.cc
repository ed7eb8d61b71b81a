#include "runtime/base/platform.h"

#include "tests/unit/testing.h"

namespace cairn {
namespace {

std::string Parsed(const std::string& text) {
  auto platform = Platform::Parse(text);
  return platform.ok() ? platform->ToString() : std::string(platform.status().message());
}

TEST(PlatformTest, NormalizesTheFieldsAliases) {
  EXPECT_EQ(Parsed("linux/x86_64"), "linux/amd64");
  EXPECT_EQ(Parsed("Linux/AArch64"), "linux/arm64");
  EXPECT_EQ(Parsed("linux/arm64/v8"), "linux/arm64");
  EXPECT_EQ(Parsed("linux/arm"), "linux/arm/v7");
  EXPECT_EQ(Parsed("linux/armel"), "linux/arm/v6");
  EXPECT_EQ(Parsed("arm64"), "linux/arm64");
  EXPECT_EQ(Parsed("linux"), Platform::Host().ToString());
}

TEST(PlatformTest, RefusesMalformedText) {
  for (const char* bad :
       {"", "linux/", "linux/amd64/v1/x", "li nux/amd64", "linux/$arch", "nonsense"}) {
    EXPECT_THAT(Platform::Parse(bad), testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                                        ::testing::HasSubstr("invalid argument")))
        << bad;
  }
}

TEST(PlatformTest, ArmAcceptsLowerVariantsOnly) {
  const Platform v7 = *Platform::Parse("linux/arm/v7");
  EXPECT_TRUE(v7.Accepts(*Platform::Parse("linux/arm/v6")));
  EXPECT_FALSE(Platform::Parse("linux/arm/v6")->Accepts(v7));
  EXPECT_FALSE(v7.Accepts(*Platform::Parse("linux/arm64")));
}

TEST(PlatformTest, NativeOnesBeginWithTheHostAndAreTakenByIt) {
  const std::vector<Platform> native = Platform::Native();
  ASSERT_FALSE(native.empty());
  EXPECT_EQ(native.front(), Platform::Host());
  for (const Platform& platform : native) {
    EXPECT_EQ(*Platform::Parse(platform.ToString()), platform);
  }
}

}  // namespace
}  // namespace cairn

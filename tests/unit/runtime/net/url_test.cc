#include "runtime/net/url.h"

#include "tests/unit/testing.h"

namespace cairn::net {
namespace {

TEST(UrlTest, RedactsOnlyCredentials) {
  EXPECT_EQ(RedactCredentials("https://token@example.com/x"), "https://xxxxx@example.com/x");
  EXPECT_EQ(RedactCredentials("https://example.com/a@b"), "https://example.com/a@b");
  EXPECT_EQ(RedactCredentials("context"), "context");
}

TEST(UrlTest, DecodesOnlyEscapes) {
  EXPECT_EQ(PercentDecode("a%2fb%zz%4"), "a/b%zz%4");
  EXPECT_EQ(PercentDecode("a+b", true), "a b");
  EXPECT_EQ(PercentDecode("a+b"), "a+b");
}

}  // namespace
}  // namespace cairn::net

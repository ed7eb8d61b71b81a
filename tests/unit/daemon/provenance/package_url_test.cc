#include "daemon/provenance/package_url.h"

#include "tests/unit/testing.h"

namespace cairn::provenance {
namespace {

std::string Url(const std::string& reference, std::optional<Platform> platform = std::nullopt) {
  return ImagePackageUrl("docker", *registry::ImageReference::Parse(reference), platform);
}

TEST(PackageUrlTest, NamesImagesAsPeopleWriteThem) {
  const Platform platform{.os = "linux", .architecture = "amd64"};
  EXPECT_EQ(Url("busybox", platform), "pkg:docker/busybox@latest?platform=linux%2Famd64");
  EXPECT_EQ(Url("foo/bar:1.2"), "pkg:docker/foo/bar@1.2");
}

TEST(PackageUrlTest, EscapesThePortOfARegistry) {
  EXPECT_EQ(Url("localhost:5000/app:v1"), "pkg:docker/localhost%3A5000/app@v1");
}

TEST(PackageUrlTest, HasADigestAsQualifier) {
  const std::string digest = Digest::Of("x").ToString();
  EXPECT_EQ(Url("busybox@" + digest), "pkg:docker/busybox?digest=" + digest);
  EXPECT_EQ(Url("busybox:1@" + digest), "pkg:docker/busybox@1?digest=" + digest);
}

}  // namespace
}  // namespace cairn::provenance

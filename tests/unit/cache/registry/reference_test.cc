#include "cache/registry/reference.h"

#include "cache/registry/hosts.h"
#include "tests/unit/testing.h"

namespace cairn::registry {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

const char kHex[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(ImageReferenceTest, NormalForms) {
  const std::string digest = std::string("@sha256:") + kHex;
  const std::pair<std::string, std::string> cases[] = {
      {"busybox", "docker.io/library/busybox:latest"},
      {"busybox:1.36", "docker.io/library/busybox:1.36"},
      {"index.docker.io/busybox", "docker.io/library/busybox:latest"},
      {"docker.io/busybox", "docker.io/library/busybox:latest"},
      {"user/app", "docker.io/user/app:latest"},
      {"localhost/app", "localhost/app:latest"},
      {"localhost:5000/a/b:v1", "localhost:5000/a/b:v1"},
      {"example.com/a__b/c--d/e.f_g", "example.com/a__b/c--d/e.f_g:latest"},
      {"[::1]:5000/app", "[::1]:5000/app:latest"},
      {"Example/app", "Example/app:latest"},
      {"busybox" + digest, "docker.io/library/busybox" + digest},
      {"busybox:1" + digest, "docker.io/library/busybox:1" + digest},
  };
  for (const auto& [text, normal] : cases) {
    ASSERT_OK_AND_ASSIGN(const ImageReference reference, ImageReference::Parse(text));
    EXPECT_EQ(reference.ToString(), normal);
    ASSERT_OK_AND_ASSIGN(const ImageReference again, ImageReference::Parse(reference.ToString()));
    EXPECT_EQ(again, reference);
  }
  EXPECT_EQ(ImageReference::Parse("busybox")->Familiar(), "busybox:latest");
  EXPECT_EQ(ImageReference::Parse("user/app:1")->Familiar(), "user/app:1");
}

TEST(ImageReferenceTest, BadOnesAreRefused) {
  for (const std::string text : {"",
                                 "/",
                                 "a//b",
                                 "a/",
                                 ":tag",
                                 "a:",
                                 "a:b:c",
                                 "a@",
                                 "UPPER",
                                 "user/APP",
                                 "a b",
                                 "-a/b",
                                 "a_-b",
                                 "a___b",
                                 "../x",
                                 "a/../b",
                                 "host:port/x",
                                 "x@sha256:abc",
                                 "x@md5:d41d8cd98f00b204e9800998ecf8427e",
                                 "http://x/y",
                                 "a\n",
                                 "exa mple.com/a",
                                 "a:.tag",
                                 "[::1/x",
                                 "a.-b.com/x"}) {
    EXPECT_THAT(ImageReference::Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")))
        << text;
  }
  EXPECT_THAT(ImageReference::Parse(kHex),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64-byte hexadecimal")));
  EXPECT_THAT(ImageReference::Parse(std::string("x:") + std::string(129, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("invalid reference")));
  EXPECT_THAT(ImageReference::Parse("x/" + std::string(300, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("255")));
}

TEST(HostTableTest, SchemesAndMirrors) {
  HostTable hosts({{"docker.io", {.mirrors = {"mirror.example/cache"}}},
                   {"plain.example", {.http = true}},
                   {"localhost:1", {.http = false}}});
  ASSERT_OK_AND_ASSIGN(auto endpoints, hosts.EndpointsOf("docker.io", true, false));
  ASSERT_EQ(endpoints.size(), 2u);
  EXPECT_EQ(endpoints[0].base.ToString(), "https://mirror.example/v2/cache");
  EXPECT_EQ(endpoints[0].mirrored_host, "docker.io");
  EXPECT_EQ(endpoints[1].base.ToString(), "https://registry-1.docker.io/v2");
  EXPECT_EQ(endpoints[1].credential_host, "registry-1.docker.io");
  EXPECT_EQ(hosts.EndpointsOf("docker.io", false, false)->size(), 1u);
  EXPECT_EQ(hosts.EndpointsOf("plain.example", false, false)->at(0).base.scheme, "http");
  EXPECT_EQ(hosts.EndpointsOf("127.0.0.1:5000", false, false)->at(0).base.scheme, "http");
  EXPECT_EQ(hosts.EndpointsOf("localhost:1", false, false)->at(0).base.scheme, "https");
  EXPECT_EQ(hosts.EndpointsOf("127.evil.example", false, false)->at(0).base.scheme, "https");
  ASSERT_OK_AND_ASSIGN(endpoints, hosts.EndpointsOf("other.example", false, true));
  ASSERT_EQ(endpoints.size(), 2u);
  EXPECT_TRUE(endpoints[0].tls.insecure);
  EXPECT_TRUE(endpoints[0].has_fallback);
  EXPECT_EQ(endpoints[1].base.scheme, "http");
}

}  // namespace
}  // namespace cairn::registry

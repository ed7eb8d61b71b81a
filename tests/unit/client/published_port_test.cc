#include "client/published_port.h"

#include "absl/strings/str_cat.h"
#include "tests/unit/testing.h"

namespace cairn::client {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

std::string Parsed(const std::string& text) {
  const auto port = ParsePublishedPort(text);
  return port.ok() ? absl::StrCat(port->address, "|", port->port, "|", port->container_port)
                   : std::string(port.status().message());
}

TEST(PublishedPortTest, UnderstandsWhatDockerDoes) {
  EXPECT_EQ(Parsed("8080:80"), "|8080|80");
  EXPECT_EQ(Parsed("80"), "|0|80");
  EXPECT_EQ(Parsed("8080:80/tcp"), "|8080|80");
  EXPECT_EQ(Parsed("127.0.0.1:8080:80"), "127.0.0.1|8080|80");
  EXPECT_EQ(Parsed("127.0.0.1::80"), "127.0.0.1|0|80");
  EXPECT_EQ(Parsed("[::1]:8080:80"), "::1|8080|80");
  EXPECT_EQ(Parsed("[::1]::80"), "::1|0|80");
}

TEST(PublishedPortTest, SaysWhatIsWrong) {
  for (const char* text :
       {"", "http:80", "8080:", "0:0", "70000:80", "a:b:c:d", "[:80:80", "-1:80"}) {
    EXPECT_THAT(ParsePublishedPort(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("want [[ADDRESS:]PORT:]")))
        << text;
  }
  EXPECT_THAT(ParsePublishedPort("53:53/udp"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("only TCP")));
}

TEST(PublishedPortTest, FindsAFreePortAndRefusesOneInUse) {
  PublishedPort port{.address = "127.0.0.1", .port = 0, .container_port = 80};
  ASSERT_OK_AND_ASSIGN(const UniqueFd listener, Listen(port));
  EXPECT_NE(port.port, 0);
  EXPECT_EQ(port.ToString(), absl::StrCat("127.0.0.1:", port.port, "->80/tcp"));
  PublishedPort again = port;
  EXPECT_THAT(Listen(again), StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr(absl::StrCat("port ", port.port, " is in use"))));
}

TEST(PublishedPortTest, WithoutAnAddressBothFamiliesAreServed) {
  PublishedPort port{.port = 0, .container_port = 80};
  ASSERT_OK_AND_ASSIGN(const UniqueFd listener, Listen(port));
  PublishedPort v4{.address = "127.0.0.1", .port = port.port, .container_port = 80};
  EXPECT_THAT(Listen(v4), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use")));
}

}  // namespace
}  // namespace cairn::client

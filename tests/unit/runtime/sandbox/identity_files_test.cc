#include "runtime/sandbox/identity_files.h"

#include "runtime/sandbox/signals.h"
#include "tests/unit/testing.h"

namespace cairn::sandbox {
namespace {

using testing::IsOkAndHolds;
using testing::StatusIs;

TEST(SignalsTest, NamesAndNumbersParse) {
  EXPECT_THAT(ParseSignal("SIGTERM"), IsOkAndHolds(15));
  EXPECT_THAT(ParseSignal("kill"), IsOkAndHolds(9));
  EXPECT_THAT(ParseSignal("2"), IsOkAndHolds(2));
  for (const char* bad : {"", "SIG", "SIGNOTHING", "0", "-9", "1000"}) {
    EXPECT_THAT(ParseSignal(bad), StatusIs(absl::StatusCode::kInvalidArgument,
                                           ::testing::HasSubstr("invalid signal")));
  }
}

class ResolverTest : public ::testing::Test {
 protected:
  StatusOr<std::string> Make(const std::string& host, bool host_network = false,
                             DnsConfig dns = {}) const {
    ResolverOptions options;
    options.host_file = dir_.Write("resolv.conf", host);
    options.resolved_file = dir_ / "resolved.conf";
    options.host_network = host_network;
    options.dns = std::move(dns);
    return MakeResolverFile(options);
  }
  testing::TempDir dir_;
};

TEST(HostsTest, NamesLoopbackAndExtraHosts) {
  EXPECT_EQ(MakeHostsFile("box", {{"db", "10.0.0.1"}}),
            "127.0.0.1\tlocalhost box\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.1\tdb\n");
}

TEST_F(ResolverTest, LoopbackServersGoUnlessTheNetworkIsTheHosts) {
  const std::string host = "# local\nnameserver 127.0.0.1\nnameserver 10.0.0.2\nsearch a b\n";
  EXPECT_THAT(Make(host), IsOkAndHolds("nameserver 10.0.0.2\nsearch a b\n"));
  EXPECT_THAT(Make(host, true),
              IsOkAndHolds("nameserver 127.0.0.1\nnameserver 10.0.0.2\nsearch a b\n"));
}

TEST_F(ResolverTest, PublicServersStandInWhenNoneIsLeft) {
  const std::string fallback =
      "nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\n"
      "nameserver 2001:4860:4860::8844\n";
  EXPECT_THAT(Make("nameserver ::1\n"), IsOkAndHolds(fallback));
  EXPECT_THAT(Make("", true), IsOkAndHolds(fallback));
}

TEST_F(ResolverTest, StubOfSystemdIsReplacedByItsUpstreams) {
  dir_.Write("resolved.conf", "nameserver 10.9.9.9\n");
  EXPECT_THAT(Make("nameserver 127.0.0.53\n"), IsOkAndHolds("nameserver 10.9.9.9\n"));
  EXPECT_THAT(Make("nameserver 127.0.0.53\n", true), IsOkAndHolds("nameserver 127.0.0.53\n"));
}

TEST_F(ResolverTest, ConfigurationOverridesTheHost) {
  DnsConfig dns;
  dns.nameservers = {"127.0.0.1"};
  dns.search_domains = {"corp"};
  dns.options = {"ndots:2"};
  EXPECT_THAT(Make("nameserver 10.0.0.2\nsearch a\noptions ndots:5\n", false, dns),
              IsOkAndHolds("nameserver 127.0.0.1\nsearch corp\noptions ndots:2\n"));
  dns.nameservers = {"not an address"};
  EXPECT_THAT(Make("", false, dns), StatusIs(absl::StatusCode::kInvalidArgument,
                                             "bad nameserver address not an address"));
}

}  // namespace
}  // namespace cairn::sandbox

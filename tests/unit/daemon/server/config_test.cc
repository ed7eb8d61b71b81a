#include "daemon/server/config.h"

#include "tests/unit/testing.h"

namespace cairn::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

TEST(ConfigTest, ReadsBuildkitdToml) {
  Config config;
  std::vector<std::string> unknown;

  ASSERT_OK(ReadToml(R"(
debug = true
root = "/state"
insecure-entitlements = ["network.host"]
[log]
  format = "json"
[grpc]
  address = ["tcp://127.0.0.1:1234"]
  gid = 5
  [grpc.tls]
    cert = "c"
    key = "k"
    ca = "a"
[worker.oci]
  max-parallelism = 4
  pids-limit = 100
  reservedSpace = "30%"
  cniConfigPath = "/cni.json"
  [worker.oci.labels]
    "a.b" = "c"
  [[worker.oci.gcpolicy]]
    keepDuration = "48h"
    maxUsedSpace = "10GB"
    filters = ["type==source.local"]
  [[worker.oci.gcpolicy]]
    all = true
    keepDuration = 60
    keepBytes = 1024
[worker.containerd]
  enabled = false
[registry."docker.io"]
  mirrors = ["localhost:5000"]
  http = true
  [[registry."docker.io".keypair]]
    key = "k"
    cert = "c"
[frontend."gateway.v0"]
  enabled = false
[dns]
  nameservers = ["10.0.0.1"]
[history]
  maxAge = 3600
  maxEntries = 7
[cdi]
  specDirs = ["/cdi"]
  autoAllowed = ["v.com/c"]
[otel]
  socketPath = "/x"
)",
                     &config, &unknown));

  EXPECT_TRUE(config.debug);
  EXPECT_EQ(config.root, "/state");
  EXPECT_EQ(config.log_format, LogFormat::kJson);
  EXPECT_THAT(config.addresses, ElementsAre("tcp://127.0.0.1:1234"));
  EXPECT_EQ(config.gid, 5);
  EXPECT_TRUE(config.tls.enabled());
  EXPECT_EQ(config.worker.max_parallelism, 4);
  EXPECT_EQ(config.worker.pids_limit, 100);
  EXPECT_EQ(config.worker.reserved_space.Resolve(1000), 300U);
  EXPECT_EQ(config.worker.labels.at("a.b"), "c");
  ASSERT_EQ(config.worker.gc_policy.size(), 2U);
  EXPECT_EQ(config.worker.gc_policy[0].max_used_space.bytes, 10'000'000'000U);
  EXPECT_EQ(config.worker.gc_policy[0].keep_duration, absl::Hours(48));
  EXPECT_EQ(config.worker.gc_policy[1].keep_duration, absl::Minutes(1));
  EXPECT_EQ(config.worker.gc_policy[1].reserved_space.bytes, 1024U);
  EXPECT_THAT(config.registries.at("docker.io").mirrors, ElementsAre("localhost:5000"));
  EXPECT_THAT(config.cdi_spec_dirs, ElementsAre("/cdi"));
  EXPECT_THAT(config.cdi_auto_allowed, ElementsAre("v.com/c"));
  EXPECT_EQ(config.registries.at("docker.io").plain_http, true);
  EXPECT_EQ(config.registries.at("docker.io").key_pairs.at(0).certificate, "c");
  EXPECT_FALSE(config.frontends.at("gateway.v0").enabled);
  EXPECT_EQ(config.history_max_age, absl::Hours(1));
  EXPECT_EQ(config.history_max_entries, 7);
  EXPECT_THAT(unknown, ElementsAre());
}

TEST(ConfigTest, UnknownKeysAreReportedWithTheirPath) {
  Config config;
  std::vector<std::string> unknown;

  ASSERT_OK(ReadToml("x = 1\n[worker.oci]\ngcx = true\n[worker.other]\n", &config, &unknown));

  EXPECT_THAT(unknown, ::testing::UnorderedElementsAre("x", "worker.oci.gcx", "worker.other"));
}

TEST(ConfigTest, MistakesNameTheLine) {
  Config config;
  std::vector<std::string> unknown;

  EXPECT_THAT(ReadToml("a = 1\nb = \n", &config, &unknown),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 2")));
  EXPECT_THAT(ReadToml("\nroot = 5\n", &config, &unknown),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 2: root must be")));
  EXPECT_THAT(ReadToml("[worker.oci]\nmaxUsedSpace = \"lots\"", &config, &unknown),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("disk space \"lots\"")));
  EXPECT_THAT(ReadToml("[worker.oci]\npids-limit = -1", &config, &unknown),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("worker.oci.pids-limit")));
  EXPECT_THAT(ReadToml("[grpc]\naddress = \"unix:///x\"", &config, &unknown),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("list of strings")));
}

TEST(ConfigTest, DiskSpaces) {
  const std::pair<const char*, uint64_t> good[] = {
      {"0", 0},          {"1024", 1024},  {"10GB", 10'000'000'000},
      {"1GiB", 1 << 30}, {"1.5kb", 1500}, {"512MB", 512'000'000},
      {"7b", 7}};
  for (const auto& [text, bytes] : good) {
    const auto space = ParseDiskSpace(text);
    ASSERT_OK(space) << text;
    EXPECT_EQ(space->bytes, bytes) << text;
  }
  for (const char* text : {"", "x", "-1", "0%", "101%", "5%%", "1e30"}) {
    EXPECT_FALSE(ParseDiskSpace(text).ok()) << text;
  }
}

TEST(ConfigTest, Durations) {
  ASSERT_OK_AND_ASSIGN(const absl::Duration seconds, ParseConfigDuration("90"));
  ASSERT_OK_AND_ASSIGN(const absl::Duration text, ParseConfigDuration("1h30m"));
  EXPECT_EQ(seconds, absl::Seconds(90));
  EXPECT_EQ(text, absl::Minutes(90));
  EXPECT_FALSE(ParseConfigDuration("soon").ok());
}

}  // namespace
}  // namespace cairn::server

#include "daemon/server/flags.h"

#include "tests/unit/testing.h"

namespace cairn::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

StatusOr<StartRequest> Read(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv = {"cairnd"};
  for (const std::string& argument : arguments) {
    argv.push_back(argument.c_str());
  }
  return ReadCommandLine(static_cast<int>(argv.size()), argv.data());
}

TEST(FlagsTest, FlagsOutrankTheFile) {
  testing::TempDir dir;
  const std::string file =
      dir.Write("d.toml", "root = \"/file\"\ndebug = true\n[worker.oci]\nmax-parallelism = 3\n");

  ASSERT_OK_AND_ASSIGN(
      const StartRequest request,
      Read({"--config", file, "--root", "/flag", "--addr", "unix:///a", "--addr", "tcp://b:1"}));

  EXPECT_EQ(request.config.root, "/flag");
  EXPECT_EQ(request.config.log_level, LogLevel::kDebug);
  EXPECT_EQ(request.config.worker.max_parallelism, 3);
  EXPECT_THAT(request.config.addresses, ElementsAre("unix:///a", "tcp://b:1"));
}

TEST(FlagsTest, TakesTheCommandLineOfBuildKitsTestSuites) {
  testing::TempDir dir;
  const std::string file = dir.Write("d.toml", "[registry.\"docker.io\"]\nmirrors=[\"m\"]\n");

  ASSERT_OK_AND_ASSIGN(
      const StartRequest request,
      Read({"--oci-worker=true", "--containerd-worker=false", "--oci-worker-gc=false",
            "--oci-worker-labels=org.mobyproject.buildkit.worker.sandbox=true",
            "--oci-worker-snapshotter=overlayfs", "--config=" + file, "--root", "/r", "--addr",
            "unix:///s", "--debug"}));

  EXPECT_FALSE(request.config.worker.gc);
  EXPECT_EQ(request.config.worker.labels.at("org.mobyproject.buildkit.worker.sandbox"), "true");
  EXPECT_EQ(request.config.log_level, LogLevel::kDebug);
}

TEST(FlagsTest, MistakesAreErrors) {
  EXPECT_FALSE(Read({"--nope"}).ok());
  EXPECT_THAT(Read({"--config", "/does/not/exist"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/does/not/exist")));
  EXPECT_FALSE(Read({"--oci-worker-labels", "x"}).ok());
  EXPECT_FALSE(Read({"--log-level", "loud"}).ok());
}

TEST(FlagsTest, VersionAndHelpArePrinted) {
  ASSERT_OK_AND_ASSIGN(const StartRequest version, Read({"--version"}));
  EXPECT_THAT(version.print.value_or(""), HasSubstr("cairnd v"));
  ASSERT_OK_AND_ASSIGN(const StartRequest help, Read({"--help"}));
  EXPECT_THAT(help.print.value_or(""), HasSubstr("--addr"));
}

}  // namespace
}  // namespace cairn::server

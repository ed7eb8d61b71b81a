// Builds whose context or base image is neither a directory of the client nor an image of a
// registry: repositories and image layouts.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/e2e/fixture.h"
#include "tests/unit/daemon/source/git_server.h"

namespace cairn::e2e {
namespace {

using ::testing::HasSubstr;

class SourcesTest : public DaemonTest {
 protected:
  std::string Out(const std::string& file) {
    return ReadFile(directory_ / ("out/" + file)).value_or("no " + file);
  }
};

TEST_F(SourcesTest, AContextMayBeARepository) {
  source::testing::GitServer server;
  server.Commit({{"Dockerfile", "FROM scratch\nCOPY a.txt /\n"},
                 {"a.txt", "root"},
                 {"sub/Dockerfile", "FROM scratch\nCOPY a.txt /b.txt\n"},
                 {"sub/a.txt", "sub"}});
  server.Git({"tag", "v1"});

  CommandOutput built = Cairn({"build", "-o", directory_ / "out", server.url()});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_EQ(Out("a.txt"), "root");
  built = Cairn({"build", "-o", directory_ / "out", server.url() + "#v1:sub"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_EQ(Out("b.txt"), "sub");
  built = Cairn({"build", "-o", directory_ / "out", server.url() + "#nosuch"});
  EXPECT_NE(built.exit_code, 0);
  // In the error of the build as well: a Dockerfile that is missing is another mistake.
  EXPECT_THAT(built.err, ::testing::ContainsRegex(
                             "ERROR: failed to solve: .*repository does not contain ref nosuch"));

  const CommandOutput usage = Cairn({"du", "--verbose"});
  EXPECT_THAT(usage.out, HasSubstr("shared git repo for " + server.url())) << usage.err;
}

TEST_F(SourcesTest, AddTakesARepository) {
  source::testing::GitServer server;
  const std::string commit = server.Commit({{"a.txt", "from git"}});
  const CommandOutput built =
      Build(absl::StrCat("FROM scratch\nADD --checksum=", commit, " ", server.url(), " /repo\n"),
            {"-o", directory_ / "out"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_EQ(Out("repo/a.txt"), "from git");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out/repo/.git"));
}

TEST_F(SourcesTest, ANamedContextMayBeAnImageLayout) {
  WriteContext("a.txt", "from a layout");
  CommandOutput built =
      Build("FROM scratch\nCOPY a.txt /\nENV GREETING=hello\n",
            {"-o", absl::StrCat("type=oci,tar=false,name=app:v1,dest=", directory_ / "layout")});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  ASSERT_EQ(Cairn({"prune", "--all"}).exit_code, 0);

  for (const char* suffix : {"", ":v1"}) {
    built =
        Build("FROM base\nCOPY --from=base a.txt /b.txt\n",
              {"--build-context", absl::StrCat("base=oci-layout://", directory_ / "layout", suffix),
               "-o", directory_ / "out"});
    ASSERT_EQ(built.exit_code, 0) << built.err;
    EXPECT_EQ(Out("a.txt"), "from a layout");
    EXPECT_EQ(Out("b.txt"), "from a layout");
  }
}

}  // namespace
}  // namespace cairn::e2e

// Builds as a user makes them: Dockerfile in, files and images out.
#include <filesystem>

#include "tests/e2e/fixture.h"
#include "tests/e2e/leftovers.h"

namespace cairn::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class BuildTest : public DaemonTest {};

TEST_F(BuildTest, MultiStageBuildExportsOnlyTheLastStage) {
  WriteContext("src/hello.txt", "hello\n");
  const CommandOutput built = Build(
      "FROM busybox AS builder\n"
      "WORKDIR /src\n"
      "COPY src .\n"
      "RUN tr a-z A-Z < hello.txt > out.txt\n"
      "FROM scratch\n"
      "COPY --from=builder /src/out.txt /app/\n",
      {"-o", directory_ / "out"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_EQ(directory_.Read("out/app/out.txt"), "HELLO\n");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out/src"));
}

TEST_F(BuildTest, SecondBuildIsCachedAndAChangedFileIsNot) {
  WriteContext("a.txt", "one");
  const std::string dockerfile =
      "FROM busybox\nRUN echo expensive > /step\nCOPY a.txt /a.txt\nRUN cat /a.txt > /copy\n";
  ASSERT_EQ(Build(dockerfile).exit_code, 0);
  const CommandOutput again = Build(dockerfile);
  EXPECT_THAT(again.err, HasSubstr("RUN cat /a.txt > /copy\n")) << again.err;
  EXPECT_THAT(again.err, HasSubstr("CACHED"));
  WriteContext("a.txt", "two");
  const CommandOutput changed = Build(dockerfile, {"-o", directory_ / "out"});
  ASSERT_EQ(changed.exit_code, 0) << changed.err;
  EXPECT_EQ(directory_.Read("out/copy"), "two");
}

TEST_F(BuildTest, CacheSurvivesARestartOfTheDaemon) {
  const std::string dockerfile = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /id\n";
  ASSERT_EQ(Build(dockerfile, {"-o", directory_ / "first"}).exit_code, 0);
  Restart();
  const CommandOutput again = Build(dockerfile, {"-o", directory_ / "second"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(directory_.Read("first/id"), directory_.Read("second/id"));
}

TEST_F(BuildTest, NoCacheRunsEveryStepAgain) {
  const std::string dockerfile = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /id\n";
  ASSERT_EQ(Build(dockerfile, {"-o", directory_ / "first"}).exit_code, 0);
  ASSERT_EQ(Build(dockerfile, {"--no-cache", "-o", directory_ / "second"}).exit_code, 0);
  EXPECT_NE(directory_.Read("first/id"), directory_.Read("second/id"));
}

TEST_F(BuildTest, FailingStepNamesTheLineAndLeavesNothingBehind) {
  const CommandOutput failed = Build("FROM busybox\nRUN echo before && exit 3\n");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("Dockerfile:2"));
  EXPECT_THAT(failed.err, HasSubstr(">>> RUN echo before && exit 3"));
  EXPECT_THAT(failed.err, HasSubstr("did not complete successfully: exit code: 3"));
  EXPECT_THAT(MountsBelow(directory_.path()), IsEmpty());
}

TEST_F(BuildTest, UnknownInstructionIsNamedWithASuggestion) {
  const CommandOutput failed = Build("FROM busybox\nFNTRYPOINT [\"x\"]\n");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("unknown instruction: FNTRYPOINT"));
  EXPECT_THAT(failed.err, HasSubstr("did you mean ENTRYPOINT?"));
}

TEST_F(BuildTest, MissingFileIsNamed) {
  const CommandOutput failed = Build("FROM busybox\nCOPY nothing.txt /\n");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("\"/nothing.txt\": not found"));
}

TEST_F(BuildTest, TargetArgumentsAndLabelsReachTheImage) {
  const CommandOutput built = Build(
      "FROM busybox AS base\n"
      "ARG VERSION=0\n"
      "ENV APP_VERSION=${VERSION}\n"
      "RUN echo $VERSION > /version\n"
      "FROM base AS later\n"
      "RUN exit 1\n",
      {"--target", "base", "--build-arg", "VERSION=7", "--label", "team=build", "-t", "app:7"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_EQ(Cairn({"run", "app:7", "cat", "/version"}).out, "7\n");
  EXPECT_EQ(Cairn({"run", "app:7", "sh", "-c", "echo $APP_VERSION"}).out, "7\n");
  EXPECT_THAT(Cairn({"images"}).out, HasSubstr("app"));
}

// What was built again from the cache was listed as made just now.
TEST_F(BuildTest, ImagesAreAsOldAsTheirConfigsSay) {
  const CommandOutput built =
      Build("FROM busybox\nLABEL a=b\n", {"--build-arg", "SOURCE_DATE_EPOCH=86400", "-t", "old:1"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_THAT(Cairn({"images", "old"}).out, ::testing::ContainsRegex("old +1 .* years ago"));
}

TEST_F(BuildTest, DockerignoreHidesFilesAndSecretsStayOut) {
  WriteContext("keep", "1");
  WriteContext("drop.log", "2");
  WriteContext(".dockerignore", "*.log\n");
  directory_.Write("token", "s3cret");
  const CommandOutput built = Build(
      "FROM busybox\n"
      "COPY . /ctx\n"
      "RUN --mount=type=secret,id=token test \"$(cat /run/secrets/token)\" = s3cret\n",
      {"--secret", "id=token,src=" + (directory_ / "token"), "-o", directory_ / "out"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_TRUE(std::filesystem::exists(directory_ / "out/ctx/keep"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out/ctx/drop.log"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out/run/secrets"));
}

TEST_F(BuildTest, CacheMountIsSharedByStepsAndNotInTheImage) {
  const CommandOutput built = Build(
      "FROM busybox\n"
      "RUN --mount=type=cache,target=/cache echo kept > /cache/file\n"
      "RUN --mount=type=cache,target=/cache cp /cache/file /seen\n",
      {"-o", directory_ / "out"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_EQ(directory_.Read("out/seen"), "kept\n");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out/cache"));
}

TEST_F(BuildTest, PruneLeavesNothingAndTheNextBuildWorks) {
  ASSERT_EQ(Build("FROM busybox\nRUN echo x > /x\n").exit_code, 0);
  const CommandOutput pruned = Cairn({"prune", "--all"});
  ASSERT_EQ(pruned.exit_code, 0) << pruned.err;
  EXPECT_THAT(Cairn({"du"}).out, HasSubstr("Total:\t\t0B"));
  const CommandOutput built =
      Build("FROM scratch\nCOPY Dockerfile /\n", {"-o", directory_ / "out"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_THAT(directory_.Read("out/Dockerfile"), Not(IsEmpty()));
}

}  // namespace
}  // namespace cairn::e2e

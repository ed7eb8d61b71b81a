// Steps with devices of the Container Device Interface.
#include <filesystem>

#include "tests/e2e/fixture.h"

namespace cairn::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A daemon with the devices of the directory "cdi".
class DevicesTest : public DaemonTest {
 protected:
  void SetUp() override {
    DaemonTest::SetUp();
    std::filesystem::create_directories(directory_ / "cdi");
    Restart({.config = "[cdi]\n  specDirs = [\"" + (directory_ / "cdi") +
                       "\"]\n  autoAllowed = [\"open.example/x\"]\n"});
  }

  void WriteSpec(const std::string& kind, const std::string& edits) {
    directory_.Write("cdi/" + kind.substr(0, kind.find('/')) + ".yaml",
                     "cdiVersion: 0.6.0\nkind: " + kind +
                         "\ndevices:\n- name: one\n  containerEdits: " + edits + "\n");
  }
};

TEST_F(DevicesTest, StepGetsVariableAndNodeOfAGrantedDevice) {
  WriteSpec("v.example/gpu",
            "{env: [GPU=injected], deviceNodes: [{path: /dev/gpu0, hostPath: /dev/zero}]}");
  const std::string dockerfile =
      "FROM busybox\n"
      "RUN --device=v.example/gpu=one,required echo $GPU $(head -c 3 /dev/gpu0 | wc -c) > /seen\n"
      "RUN ls /dev > /dev-after\n";
  const CommandOutput refused = Build(dockerfile);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("device v.example/gpu=one is requested by the build but not "
                                     "allowed; build with --allow device=v.example/gpu=one"));
  for (const char* allowed : {"device", "device=v.example/gpu", "device=v.example/gpu=one"}) {
    const CommandOutput built =
        Build(dockerfile, {"--no-cache", "--allow", allowed, "-o", directory_ / "out"});
    ASSERT_EQ(built.exit_code, 0) << built.err;
    EXPECT_EQ(directory_.Read("out/seen"), "injected 3\n");
    EXPECT_THAT(directory_.Read("out/dev-after"), Not(HasSubstr("gpu0")));
  }
}

TEST_F(DevicesTest, DeviceThatAppearsIsSeenAndIsAnotherStep) {
  const std::string dockerfile = "FROM busybox\nRUN --device=open.example/x echo got $X > /seen\n";
  ASSERT_EQ(Build(dockerfile, {"-o", directory_ / "without"}).exit_code, 0);
  EXPECT_EQ(directory_.Read("without/seen"), "got\n");
  WriteSpec("open.example/x", "{env: [X=1]}");
  EXPECT_THAT(Cairn({"workers"}).out, HasSubstr("device open.example/x=one (for every build)"));
  const CommandOutput built = Build(dockerfile, {"-o", directory_ / "with"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_EQ(directory_.Read("with/seen"), "got 1\n");
}

TEST_F(DevicesTest, DeviceThatNeedsAHookIsAClearError) {
  WriteSpec("open.example/x", "{hooks: [{hookName: createContainer, path: /bin/true}]}");
  const CommandOutput failed = Build("FROM busybox\nRUN --device=open.example/x true\n");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("the device needs the hook createContainer (/bin/true)"));
  EXPECT_THAT(failed.err, HasSubstr("Dockerfile:2"));
}

// A daemon without CDI: what is optional is ignored, what is required refused.
TEST_F(DevicesTest, DisabledDevicesAreNotThere) {
  WriteSpec("open.example/x", "{env: [X=1]}");
  Restart({.flags = {"--cdi-disabled", "--cdi-spec-dir", directory_ / "cdi"}});
  EXPECT_EQ(Build("FROM busybox\nRUN --device=open.example/x test -z \"$X\"\n").exit_code, 0);
  EXPECT_THAT(Build("FROM busybox\nRUN --device=open.example/x,required true\n").err,
              HasSubstr("required device \"open.example/x\" is not registered"));
  EXPECT_THAT(Cairn({"workers"}).out, Not(HasSubstr("device")));
}

}  // namespace
}  // namespace cairn::e2e

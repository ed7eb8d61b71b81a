// What a step can see and do.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/unit/runtime/sandbox/sandbox_fixture.h"

namespace cairn::sandbox {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class IsolationTest : public SandboxTest {
 protected:
  ContainerSpec Insecure() const {
    ContainerSpec spec = Overlay();
    spec.insecure = InsecureEntitlement::GrantedBy("test");
    return spec;
  }
};

TEST_F(IsolationTest, RootHasDockersFourteenCapabilities) {
  const Result result = RunShell("grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/self/status");
  EXPECT_EQ(result.out,
            "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
            "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n");
}

TEST_F(IsolationTest, OtherUsersHaveNoCapabilitiesButSetuidWorks) {
  ProcessSpec process = Shell("grep CapEff /proc/self/status; /bin/su -c id 2>&1");
  process.user = "app";
  std::filesystem::remove(dir_ / "lower/bin/su");
  std::filesystem::copy_file("/bin/busybox", dir_ / "lower/bin/su");
  ::chmod((dir_ / "lower/bin/su").c_str(), 04755);
  Write(dir_ / "lower/etc/passwd", "root::0:0:root:/root:/bin/sh\napp::1000:1000::/:/bin/sh\n");
  const Result result = Run(Overlay(), process);
  EXPECT_THAT(result.out, AllOf(HasSubstr("CapEff:\t0000000000000000"), HasSubstr("uid=0 gid=0")));
}

TEST_F(IsolationTest, InsecureModeHasAllPowers) {
  const Result result =
      Run(Insecure(), Shell("grep -E 'CapEff|Seccomp:' /proc/self/status; "
                            "mount -t tmpfs none /tmp && echo mounted; "
                            "ls /dev/fuse /dev/loop0 /dev/net/tun; "
                            "touch /sys/fs/cgroup/cgroup.procs && echo writable"));
  EXPECT_THAT(result.out, AllOf(HasSubstr("Seccomp:\t0"), HasSubstr("mounted"),
                                HasSubstr("/dev/fuse\n/dev/loop0\n/dev/net/tun"),
                                HasSubstr("writable"), Not(HasSubstr("a80425fb"))));
}

// On hosts with cgroups of the first version there was no /sys/fs/cgroup/cpuset to work in.
TEST_F(IsolationTest, InsecureModeFindsControllersWhereTheHostHasThem) {
  const std::string group = std::filesystem::exists("/sys/fs/cgroup/cpuset/tasks")
                                ? absl::StrCat("/sys/fs/cgroup/cpuset/cairn-test-", ::getpid())
                                : absl::StrCat("/sys/fs/cgroup/cairn-test-", ::getpid());
  EXPECT_EQ(Run(Insecure(), Shell("mkdir " + group + " && rmdir " + group + " && echo made")).out,
            "made\n");
}

TEST_F(IsolationTest, ForbiddenCallsFail) {
  const Result result = RunShell("mount -t tmpfs none /tmp 2>&1; hostname other 2>&1");
  EXPECT_THAT(result.out, HasSubstr("permission denied"));
  EXPECT_THAT(result.out, Not(HasSubstr("mounted")));
}

TEST_F(IsolationTest, HasItsOwnPidAndUtsNamespaces) {
  ContainerSpec spec = Overlay();
  EXPECT_EQ(Run(spec, Shell("echo $$; hostname")).out, "1\nbuildkitsandbox\n");
  spec.hostname = "builder.example";
  const Result named = Run(spec, Shell("hostname; cat /etc/hosts"));
  EXPECT_THAT(named.out, StartsWith("builder.example\n127.0.0.1\tlocalhost builder.example\n"));
}

TEST_F(IsolationTest, SensitiveFilesAreMaskedAndReadOnly) {
  const Result result = RunShell(
      "cat /proc/interrupts | wc -c; cat /proc/keys | wc -c; cat /proc/timer_list | wc -c; "
      "ls /sys/firmware | wc -l; "
      "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/kernel/uevent_helper; do "
      "(echo x > $f) 2>/dev/null && echo wrote $f; done; "
      "umount /proc/keys 2>/dev/null && echo unmounted; rm /proc/keys 2>/dev/null && echo "
      "removed; "
      "mkdir /sys/fs/cgroup/x 2>/dev/null && echo made");
  EXPECT_EQ(result.out, "0\n0\n0\n0\n");
}

TEST_F(IsolationTest, OnlyHarmlessDevicesOpen) {
  const Result result = RunShell(
      "mknod /tmp/mem c 1 1; mknod /tmp/disk b 8 0; mknod /tmp/vda b 254 0; mknod /tmp/tun c 10 "
      "200; "
      "mknod /tmp/null c 1 3; "
      "for d in mem disk vda tun null; do (: < /tmp/$d) 2>/dev/null && echo $d; done; "
      "head -c 3 /dev/zero | wc -c; echo lost > /dev/null; ls /dev");
  EXPECT_EQ(result.out,
            "null\n3\ncore\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\n"
            "tty\nurandom\nzero\n");
}

// A device that no driver answers for: what the gate lets through ends in another error.
TEST_F(IsolationTest, GivenDevicesAreMadeAndOpenAsFarAsTheyMay) {
  ContainerSpec spec = Overlay();
  spec.devices = {{.path = "/dev/vendor/read", .major = 250, .minor = 77, .writable = false},
                  {.path = "/dev/vendor/write", .major = 250, .minor = 78, .mode = 0600, .gid = 50},
                  {.path = "/dev/disk", .type = DeviceNode::Type::kBlock, .major = 250, .minor = 7},
                  {.path = "/dev/full", .major = 1, .minor = 5}};
  ProcessSpec process = Shell(
      "cd /dev; stat -c '%F %t:%T %a %u:%g' vendor/read vendor/write disk full; mknod /tmp/o c 250 "
      "79; "
      "for d in vendor/read vendor/write disk /tmp/o; do (: < $d) 2>&1; (: >> $d) 2>&1; done");
  const Result result = Run(spec, process);
  EXPECT_EQ(result.out,
            "character special file fa:4d 666 0:0\ncharacter special file fa:4e 600 0:50\n"
            "block special file fa:7 666 0:0\ncharacter special file 1:5 666 0:0\n"
            "sh: can't open vendor/read: No such device or address\n"
            "sh: can't create vendor/read: Operation not permitted\n"
            "sh: can't open vendor/write: No such device or address\n"
            "sh: can't create vendor/write: No such device or address\n"
            "sh: can't open disk: No such device or address\n"
            "sh: can't create disk: No such device or address\n"
            "sh: can't open /tmp/o: Operation not permitted\n"
            "sh: can't create /tmp/o: Operation not permitted\n");
}

TEST_F(IsolationTest, DevicesBelongToTheUserAndStayInDev) {
  ContainerSpec spec = Overlay();
  spec.devices = {{.path = "/dev/mine", .type = DeviceNode::Type::kFifo}};
  ProcessSpec process = Shell("stat -c '%F %u:%g' /dev/mine; id -G");
  process.user = "app";
  process.additional_groups = {4242};
  EXPECT_THAT(Run(spec, process).out, AllOf(StartsWith("fifo 1000:1000\n"), HasSubstr("4242")));
  spec.devices.front().path = "/dev/../etc/mine";
  EXPECT_EQ(Run(spec, process).outcome.message, "device /dev/../etc/mine is not below /dev");
}

TEST_F(IsolationTest, NoDescriptorButTheStreamsSurvives) {
  // ls itself holds the directory as 3.
  EXPECT_EQ(RunShell("ls /proc/self/fd").out, "0\n1\n2\n3\n");
}

TEST_F(IsolationTest, ExecutableOfTheHelperIsNotReachable) {
  std::filesystem::create_symlink("/proc/self/exe", dir_ / "lower/bin/self");
  const Result result = Run(Overlay(), Command({"/bin/self"}));
  EXPECT_FALSE(result.outcome.success());
  const Result write = RunShell("readlink /proc/1/exe");
  EXPECT_EQ(write.out, "/bin/busybox\n");
}

TEST_F(IsolationTest, HostPathsAreNotInMountInfo) {
  const Result result = RunShell("cat /proc/self/mountinfo /proc/mounts");
  EXPECT_THAT(result.out, Not(HasSubstr(dir_.path())));
  EXPECT_THAT(RunShell("cat /proc/self/cgroup").out, Not(HasSubstr("cairn")));
}

TEST_F(IsolationTest, ProcAsSymlinkIsRefused) {
  std::filesystem::remove(dir_ / "lower/proc");
  std::filesystem::create_symlink("/tmp", dir_ / "lower/proc");
  const RunOutcome outcome = RunShell("true").outcome;
  EXPECT_EQ(outcome.kind, RunOutcome::Kind::kSetupFailed);
  EXPECT_EQ(outcome.message, "mount /proc: not a directory");
}

TEST_F(IsolationTest, NetworkNoneHasLoopbackOnly) {
  ContainerSpec spec = Overlay();
  spec.network.mode = NetworkSpec::Mode::kNone;
  const Result result = Run(spec, Shell("ls /sys/class/net; ifconfig lo | grep -c UP"));
  EXPECT_EQ(result.out, "lo\n1\n");
}

TEST_F(IsolationTest, PluginNetworkIsJoined) {
  // Every program of ours ignores it; a plugin need not read what it is sent.
  ::signal(SIGPIPE, SIG_IGN);
  // Given a plugin that makes nothing, so that the namespace has loopback alone,
  const std::string plugin = dir_.Write("cni/nothing", "#!/bin/sh\necho '{}'\n");
  ::chmod(plugin.c_str(), 0755);
  ExecutorOptions options = Options();
  options.network.mode = "cni";
  options.network.cni_binary_directory = dir_ / "cni";
  options.network.cni_config = dir_.Write("net.json", R"({"name":"n","type":"nothing"})");
  executor_.reset();
  ASSERT_OK_AND_ASSIGN(executor_, Executor::Create(options));
  EXPECT_EQ(executor_->default_network(), "cni");
  EXPECT_EQ(RunShell("ls /sys/class/net; ifconfig lo | grep -c UP").out, "lo\n1\n");
}

TEST_F(IsolationTest, LimitsReachTheContainer) {
  ContainerSpec spec = Overlay();
  spec.limits.cpu_quota_us = 50000;
  spec.limits.cpu_period_us = 100000;
  spec.limits.cpuset_cpus = "0";
  spec.limits.pids_max = 40;
  const Result result = Run(spec, Shell("grep Cpus_allowed_list /proc/self/status"));
  EXPECT_EQ(result.out, "Cpus_allowed_list:\t0\n") << ToString(result.outcome);
}

TEST_F(IsolationTest, HostNetworkNeedsItsEntitlement) {
  ContainerSpec spec = Overlay();
  spec.network.mode = NetworkSpec::Mode::kHost;
  EXPECT_THAT(executor_->Start(spec, Shell("true"), ProcessIo(), {}),
              testing::StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("network.host")));
  spec.network.host_entitlement = HostNetworkEntitlement::GrantedBy("test");
  EXPECT_TRUE(Run(spec, Shell("true")).outcome.success());
}

TEST_F(IsolationTest, LimitsOfProcessesAreSet) {
  EXPECT_EQ(RunShell("ulimit -c").out, "0\n");
  ContainerSpec spec = Overlay();
  spec.ulimits = {{"nofile", 1062, 1062}};
  EXPECT_EQ(Run(spec, Shell("ulimit -n; ulimit -Hn")).out, "1062\n1062\n");
  spec.ulimits = {{"nonsense", 1, 1}};
  EXPECT_THAT(executor_->Start(spec, Shell("true"), ProcessIo(), {}),
              testing::StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nonsense")));
}

// Observed: 1024 whatever the daemon had; steps that open more files built with BuildKit only.
TEST_F(IsolationTest, AsManyFilesMayBeOpenAsTheDaemonsHardLimitLets) {
  rlimit own = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &own), 0);
  const rlim_t files = std::min<rlim_t>(own.rlim_max, 1 << 20);
  EXPECT_EQ(RunShell("ulimit -Sn; ulimit -Hn").out, absl::StrCat(files, "\n", files, "\n"));
}

TEST_F(IsolationTest, CgroupParentHoldsTheContainer) {
  ContainerSpec spec = Overlay();
  spec.cgroup_parent = "cairn-test-parent";
  const Result result = Run(spec, Shell("cat /proc/self/cgroup"));
  EXPECT_TRUE(result.outcome.success()) << ToString(result.outcome);
  EXPECT_THAT(result.out, Not(HasSubstr("cairn-test-parent")));
  spec.cgroup_parent = "../escape";
  EXPECT_THAT(executor_->Start(spec, Shell("true"), ProcessIo(), {}),
              testing::StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("..")));
}

TEST_F(IsolationTest, DefaultUmaskSessionAndStdin) {
  const Result result = RunShell("umask; cat; cut -d' ' -f6 /proc/self/stat");
  EXPECT_EQ(result.out, "0022\n1\n");
}

TEST_F(IsolationTest, ChrootDoesNotEscape) {
  const Result result = RunShell(
      "mkdir -p /tmp/jail/bin && ln /bin/busybox /tmp/jail/bin/busybox; "
      "chroot /tmp/jail /bin/busybox ls /; ls /proc/1/root/");
  EXPECT_THAT(result.out, StartsWith("bin\n"));
  EXPECT_THAT(result.out, Not(HasSubstr("lower")));
}

}  // namespace
}  // namespace cairn::sandbox

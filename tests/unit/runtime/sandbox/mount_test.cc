// The caller's mounts, their mount points, and attempts to lead them astray.
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/runtime/sandbox/sandbox_fixture.h"

namespace cairn::sandbox {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class MountTest : public SandboxTest {
 protected:
  Result RunWith(std::vector<MountSpec> mounts, const std::string& script) {
    ContainerSpec spec = Overlay();
    spec.mounts = std::move(mounts);
    return Run(spec, Shell(script));
  }

  MountSpec Bind(const std::string& destination, const std::string& source) const {
    MountSpec mount;
    mount.destination = destination;
    mount.source = source;
    return mount;
  }
  static MountSpec Tmpfs(const std::string& destination, uint64_t size = 0) {
    MountSpec mount;
    mount.kind = MountSpec::Kind::kTmpfs;
    mount.destination = destination;
    mount.size_bytes = size;
    return mount;
  }
  static MountSpec File(const std::string& destination, const std::string& content) {
    MountSpec mount;
    mount.kind = MountSpec::Kind::kFile;
    mount.destination = destination;
    mount.content = content;
    mount.mode = 0400;
    return mount;
  }
};

TEST_F(MountTest, WritesGoToTheUpperDirectory) {
  EXPECT_TRUE(RunShell("echo data > /etc/new").outcome.success());
  EXPECT_EQ(dir_.Read("upper/etc/new"), "data\n");
  EXPECT_FALSE(fs::exists(dir_ / "lower/etc/new"));
}

TEST_F(MountTest, StepThatWritesNothingLeavesAnEmptyUpper) {
  EXPECT_TRUE(RunShell("cat /etc/hosts /etc/resolv.conf > /dev/null").outcome.success());
  EXPECT_THAT(UpperEntries(), IsEmpty());
}

TEST_F(MountTest, ManyLowerDirectoriesAreStackedTopFirst) {
  ContainerSpec spec = Overlay();
  for (int i = 0; i < 150; ++i) {
    const std::string lower = dir_ / ("with:colon,comma-" + std::to_string(i));
    fs::create_directories(lower);
    Write(lower + "/which", std::to_string(i));
    spec.root.overlay.lowers.insert(spec.root.overlay.lowers.begin(), lower);
  }
  EXPECT_EQ(Run(spec, Shell("cat /which")).out, "149");
}

TEST_F(MountTest, OverlayWithoutLowersIsAnEmptyRoot) {
  ContainerSpec spec;
  spec.root.overlay.upper = dir_ / "upper";
  spec.root.overlay.work = dir_ / "work";
  spec.mounts = {Bind("/bin", dir_ / "lower/bin")};
  EXPECT_EQ(Run(spec, Shell("ls /")).out, "bin\ndev\netc\nproc\nsys\n");
  EXPECT_THAT(UpperEntries(), IsEmpty());
}

TEST_F(MountTest, OverlayIsFlushedOnDemandAndCanBeUsedAgain) {
  EXPECT_TRUE(RunShell("echo one > /file; grep -q volatile /proc/mounts").outcome.success());
  ContainerSpec spec = Overlay();
  spec.root.overlay.synced = true;
  EXPECT_EQ(Run(spec, Shell("cat /file; grep -c volatile /proc/mounts")).out, "one\n0\n");
  EXPECT_EQ(RunShell("cat /file").out, "one\n");
}

TEST_F(MountTest, ReadOnlyRootRefusesWrites) {
  ContainerSpec spec = Overlay();
  spec.root.readonly = true;
  spec.mounts = {Tmpfs("/scratch")};
  const Result result = Run(spec, Shell("touch /x 2>&1; touch /scratch/y && echo ok"));
  EXPECT_THAT(result.out, HasSubstr("Read-only file system"));
  EXPECT_THAT(result.out, HasSubstr("ok"));
  spec.mounts.clear();
  spec.root.overlay.upper.clear();
  spec.root.overlay.work.clear();
  EXPECT_TRUE(Run(spec, Shell("true")).outcome.success());
}

TEST_F(MountTest, DirectoryRootIsUsedAsItIs) {
  ContainerSpec spec;
  spec.root.directory = dir_ / "lower";
  spec.mounts = {Tmpfs("/new/mount")};
  EXPECT_TRUE(Run(spec, Shell("echo data > /written")).outcome.success());
  EXPECT_EQ(dir_.Read("lower/written"), "data\n");
  EXPECT_FALSE(fs::exists(dir_ / "lower/new"));
  EXPECT_FALSE(fs::exists(dir_ / "lower/etc/hosts"));
}

TEST_F(MountTest, BindsShowDirectoriesAndFiles) {
  dir_.Write("cache/file", "cached");
  MountSpec readonly = Bind("/ro", dir_ / "cache");
  readonly.readonly = true;
  const Result result = RunWith(
      {Bind("/cache", dir_ / "cache"), readonly, Bind("/one/file", dir_ / "cache/file")},
      "cat /cache/file /one/file; echo new > /cache/added; touch /ro/x 2>/dev/null || echo no");
  EXPECT_EQ(result.out, "cachedcachedno\n");
  EXPECT_EQ(dir_.Read("cache/added"), "new\n");
  EXPECT_THAT(UpperEntries(), IsEmpty());
}

TEST_F(MountTest, SelectorStaysBeneathTheSource) {
  dir_.Write("cache/sub/file", "inside");
  dir_.Write("secret/file", "outside");
  fs::create_symlink("/", dir_ / "cache/root");
  fs::create_symlink("../secret", dir_ / "cache/up");
  MountSpec mount = Bind("/m", dir_ / "cache");
  mount.selector = "sub";
  EXPECT_EQ(RunWith({mount}, "cat /m/file").out, "inside");
  mount.selector = "root/sub";
  EXPECT_EQ(RunWith({mount}, "cat /m/file").out, "inside");
  for (const char* escape : {"up", "../secret", "root/../../secret"}) {
    mount.selector = escape;
    const Result result = RunWith({mount}, "cat /m/file");
    EXPECT_EQ(result.outcome.kind, RunOutcome::Kind::kSetupFailed) << escape;
    EXPECT_THAT(result.outcome.message, HasSubstr("no such file or directory"));
  }
}

TEST_F(MountTest, OverlayMountKeepsChangesApart) {
  dir_.Write("tree/a/file", "lower");
  fs::create_directories(dir_ / "up2");
  fs::create_directories(dir_ / "work2");
  MountSpec mount;
  mount.kind = MountSpec::Kind::kOverlay;
  mount.destination = "/m";
  mount.overlay.lowers = {dir_ / "tree"};
  mount.overlay.upper = dir_ / "up2";
  mount.overlay.work = dir_ / "work2";
  EXPECT_EQ(RunWith({mount}, "cat /m/a/file; echo changed > /m/a/file").out, "lower");
  EXPECT_EQ(dir_.Read("up2/a/file"), "changed\n");
  mount.selector = "/a";
  EXPECT_EQ(RunWith({mount}, "cat /m/file").out, "changed\n");
  mount.overlay.upper.clear();
  mount.overlay.work.clear();
  EXPECT_EQ(RunWith({mount}, "cat /m/file; touch /m/x 2>/dev/null || echo no").out, "lowerno\n");
}

TEST_F(MountTest, TmpfsHasItsSizeAndLeavesNothing) {
  const Result result = RunWith({Tmpfs("/scratch", 1 << 20), Tmpfs("/dev/shm", 128 << 20)},
                                "dd if=/dev/zero of=/scratch/big bs=1M count=2 2>/dev/null || echo "
                                "full; grep shm /proc/mounts");
  EXPECT_THAT(result.out, HasSubstr("full"));
  EXPECT_THAT(result.out, HasSubstr("size=131072k"));
  EXPECT_THAT(UpperEntries(), IsEmpty());
}

TEST_F(MountTest, SecretFileHasOwnerAndModeAndIsNowhereOnDisk) {
  MountSpec secret = File("/run/secrets/token", "hunter2");
  secret.uid = 1000;
  secret.gid = 2000;
  const Result result = RunWith({secret},
                                "stat -c '%u %g %a' /run/secrets/token; cat /run/secrets/token; "
                                "(echo x > /run/secrets/token) 2>/dev/null || echo no");
  EXPECT_EQ(result.out, "1000 2000 400\nhunter2no\n");
  EXPECT_THAT(UpperEntries(), IsEmpty());
}

TEST_F(MountTest, SocketIsReachable) {
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = dir_ / "agent.sock";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  MountSpec mount;
  mount.kind = MountSpec::Kind::kSocket;
  mount.destination = "/run/buildkit/ssh_agent.0";
  mount.source = path;
  mount.uid = 1000;
  mount.mode = 0600;
  EXPECT_EQ(RunWith({mount}, "stat -c '%u %a %F' /run/buildkit/ssh_agent.0").out,
            "1000 600 socket\n");
}

TEST_F(MountTest, SymlinksLeadNoMountOutOfTheRoot) {
  // Given a root whose /etc and /run lead outside,
  fs::create_directories(dir_ / "evil");
  fs::rename(dir_ / "lower/etc", dir_ / "lower/etc.real");
  fs::create_symlink(std::string("../../../../../../..") + (dir_ / "evil"), dir_ / "lower/etc");
  fs::create_symlink(dir_ / "evil", dir_ / "lower/run");
  // when mounts are asked for below them,
  const Result result = RunWith({File("/run/secret", "s"), Tmpfs("/run/dir")}, "cat /run/secret");
  // then they appear at that path inside the root, and nothing happens outside.
  EXPECT_EQ(result.out, "s") << ToString(result.outcome);
  EXPECT_TRUE(fs::is_empty(dir_ / "evil"));
}

TEST_F(MountTest, DanglingLinkTargetIsMadeAndTakenAway) {
  fs::create_symlink("../run/systemd/resolve/stub-resolv.conf", dir_ / "lower/etc/resolv.conf");
  const Result result = RunShell("grep -c nameserver /etc/resolv.conf");
  EXPECT_TRUE(result.outcome.success()) << ToString(result.outcome) << result.out;
  EXPECT_THAT(UpperEntries(), IsEmpty());
}

TEST_F(MountTest, StubsAreRemovedButWhatTheStepMadeStays) {
  const Result result = RunWith({Tmpfs("/a/b/c"), Tmpfs("/d/e")}, "echo mine > /a/b/file");
  EXPECT_TRUE(result.outcome.success());
  EXPECT_THAT(UpperEntries(), ElementsAre("a", "a/b", "a/b/file"));
}

TEST_F(MountTest, StubsLeaveModificationTimesAlone) {
  const auto before = fs::last_write_time(dir_ / "lower/root");
  EXPECT_TRUE(RunWith({Tmpfs("/root/.cache")}, "true").outcome.success());
  // The directory was copied up to hold the stub; its time is the original's.
  EXPECT_EQ(fs::last_write_time(dir_ / "upper/root"), before);
  EXPECT_FALSE(fs::exists(dir_ / "upper/root/.cache"));
}

TEST_F(MountTest, StubParentsCanBeKept) {
  ContainerSpec spec = Overlay();
  spec.mounts = {Tmpfs("/a/b")};
  spec.keep_stub_parents = true;
  EXPECT_TRUE(Run(spec, Shell("true")).outcome.success());
  EXPECT_THAT(UpperEntries(), ElementsAre("a"));
}

TEST_F(MountTest, RenamedStubParentIsNotFollowed) {
  // CVE-2024-23652: the step puts a link to elsewhere where the stub's parent was.
  fs::create_directories(dir_ / "victim/b/c");
  const Result result = RunWith(
      {Tmpfs("/a/b/c")}, "mv /a /moved 2>/dev/null; ln -s " + (dir_ / "victim") + " /a; true");
  EXPECT_TRUE(result.outcome.success());
  EXPECT_TRUE(fs::exists(dir_ / "victim/b/c"));
}

TEST_F(MountTest, KernelFileSystemsCannotBeCovered) {
  fs::create_symlink("/proc/self", dir_ / "lower/link");
  for (const char* destination : {"/proc", "/proc/self", "/proc/sys", "/sys", "/sys/fs/cgroup",
                                  "/dev", "/", "/../proc", "//proc/", "/link/attr"}) {
    const RunOutcome outcome = RunWith({Tmpfs(destination)}, "true").outcome;
    EXPECT_EQ(outcome.kind, RunOutcome::Kind::kSetupFailed) << destination;
    EXPECT_EQ(outcome.step, SetupStep::kMount) << destination;
  }
}

TEST_F(MountTest, OwnHostsFileTakesThePlace) {
  EXPECT_EQ(RunWith({File("/etc/hosts", "mine\n")}, "cat /etc/hosts").out, "mine\n");
  ContainerSpec spec = Overlay();
  spec.extra_hosts = {{"db.example", "10.0.0.7"}};
  EXPECT_THAT(Run(spec, Shell("cat /etc/hosts")).out, HasSubstr("10.0.0.7\tdb.example\n"));
}

TEST_F(MountTest, NestedMountsAppearInOrder) {
  fs::create_directories(dir_ / "cache");
  const Result result =
      RunWith({Bind("/c", dir_ / "cache"), Tmpfs("/c/tmp")}, "touch /c/tmp/x; ls /c/tmp");
  EXPECT_EQ(result.out, "x\n");
  EXPECT_TRUE(fs::is_empty(dir_ / "cache/tmp"));
}

TEST_F(MountTest, BoundDirectoryTakesAttributes) {
  std::filesystem::create_directories(dir_ / "bound");
  ContainerSpec spec = Overlay();
  MountSpec bind = Bind("/mnt", dir_ / "bound");
  bind.nosuid = bind.nodev = bind.noexec = true;
  spec.mounts = {bind};
  EXPECT_THAT(Run(spec, Shell("grep ' /mnt ' /proc/mounts")).out,
              HasSubstr("rw,nosuid,nodev,noexec"));
}

}  // namespace
}  // namespace cairn::sandbox

#include "daemon/ops/exec_op.h"

#include <unistd.h>

#include <filesystem>
#include <thread>

#include "daemon/llb/errors.h"
#include "daemon/ops/gateway_container.h"
#include "runtime/base/fd.h"
#include "tests/unit/daemon/ops/op_fixture.h"

namespace cairn::ops {
namespace {

using ::cairn::testing::IsOk;
using ::cairn::testing::StatusIs;
using ::testing::_;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Runs steps on a root of busybox alone. Needs root.
class ExecOpTest : public testing::OpTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
    OpTest::SetUp();
    ASSERT_OK_AND_ASSIGN(ledger_, gc::Ledger::Open(*database_, *trees_));
    ASSERT_OK_AND_ASSIGN(snapshots_,
                         snapshot::Snapshotter::Open(directory_ / "snapshots", *chains_));
    ASSERT_OK_AND_ASSIGN(caches_, CacheMounts::Open(directory_ / "mounts", *ledger_, *snapshots_));
    sandbox::ExecutorOptions options;
    options.state_directory = directory_ / "sandbox";
    options.helper_program = CAIRN_BINARY_DIR "/cairn-sandbox";
    options.pool_size = 1;
    ASSERT_OK_AND_ASSIGN(executor_, sandbox::Executor::Create(options));
    std::filesystem::create_directories(directory_ / "sockets");
    environment_ = std::make_unique<ExecEnvironment>(
        ExecEnvironment{.stores = {.chains = *chains_,
                                   .snapshots = *snapshots_,
                                   .cache_mounts = *caches_,
                                   .sessions = sessions_,
                                   .socket_directory = directory_ / "sockets"},
                        .executor = *executor_});
    root_ = std::make_unique<layer::Chain>(MakeRoot());
  }

  layer::Chain MakeRoot() {
    tree::Editor editor(*trees_, std::nullopt);
    for (const char* directory : {"bin", "etc", "proc", "sys", "dev", "tmp", "root"}) {
      EXPECT_OK(editor.MakeDirectory(directory, {.mode = 0755}, false));
    }
    tree::Entry busybox;
    busybox.metadata.mode = 0755;
    const std::string program = *ReadFile("/bin/busybox");
    busybox.file = *blobs_->Put(program);
    busybox.size = program.size();
    EXPECT_OK(editor.Put("bin/busybox", busybox));
    for (const char* applet : {"sh", "cat", "echo", "rm", "sleep", "touch", "mkdir", "ls"}) {
      tree::Entry link;
      link.type = tree::Entry::Type::kSymlink;
      link.target = "busybox";
      link.metadata.mode = 0777;
      EXPECT_OK(editor.Put(std::string("bin/") + applet, link));
    }
    return *chains_->Single(*editor.Commit());
  }

  // RUN `script` with the root as input 0 and output 0.
  pb::ExecOp Shell(const std::string& script) {
    pb::ExecOp exec;
    for (const std::string& arg : {std::string("/bin/sh"), std::string("-c"), script}) {
      exec.mutable_meta()->add_args(arg);
    }
    exec.mutable_meta()->set_cwd("/");
    pb::Mount& root = *exec.add_mounts();
    root.set_dest("/");
    root.set_input(0);
    root.set_output(0);
    return exec;
  }

  static pb::Mount& AddMount(pb::ExecOp& exec, pb::MountType type, const std::string& destination) {
    pb::Mount& mount = *exec.add_mounts();
    mount.set_mounttype(type);
    mount.set_dest(destination);
    mount.set_input(-1);
    mount.set_output(-1);
    return mount;
  }

  StatusOr<std::vector<solver::OpOutput>> Run(const pb::ExecOp& exec,
                                              std::vector<layer::Chain> more = {}) {
    pb::Op op;
    *op.mutable_exec() = exec;
    more.insert(more.begin(), *root_);
    const auto step = MakeExecOp(MakeVertex(op, static_cast<int>(more.size())), *environment_);
    auto context = Context();
    return step->Run(context, more);
  }

  // What the step's layer holds.
  std::vector<std::string> Layer(const StatusOr<std::vector<solver::OpOutput>>& outputs) {
    EXPECT_THAT(outputs, IsOk());
    return outputs.ok() ? Describe(outputs->at(0).chain.layers.back().delta)
                        : std::vector<std::string>();
  }

  Logger log_{LogLevel::kError, LogFormat::kText};
  session::SessionManager sessions_{log_};
  std::unique_ptr<gc::Ledger> ledger_;
  std::unique_ptr<snapshot::Snapshotter> snapshots_;
  std::unique_ptr<CacheMounts> caches_;
  std::unique_ptr<sandbox::Executor> executor_;
  std::unique_ptr<ExecEnvironment> environment_;
  std::unique_ptr<layer::Chain> root_;
};

TEST_F(ExecOpTest, KeepsWhatTheStepChangedAsOneLayer) {
  const auto outputs = Run(Shell("echo hi > /new; rm -r /root"));
  EXPECT_THAT(Layer(outputs), ElementsAre("file new 644 0:0 hi\n", "whiteout root"));
  ASSERT_OK(outputs);
  EXPECT_EQ(outputs->at(0).chain.layers.size(), 2u);
  EXPECT_EQ(outputs->at(0).base_input, 0);
}

TEST_F(ExecOpTest, StepThatChangesNothingHasAnEmptyLayer) {
  const auto outputs = Run(Shell("echo out; echo err >&2"));
  EXPECT_THAT(Layer(outputs), ElementsAre());
  EXPECT_EQ(outputs->at(0).chain.layers.size(), 2u);
  EXPECT_EQ(reporter_.out, "out\n");
  EXPECT_EQ(reporter_.err, "err\n");
}

TEST_F(ExecOpTest, ExitCodeIsAnError) {
  const auto failed = Run(Shell("exit 7"));
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kUnknown,
                               "process \"/bin/sh -c exit 7\" did not complete successfully: "
                               "exit code: 7"));
  EXPECT_EQ(llb::ExitCodeOf(failed.status()), 7u);
  EXPECT_TRUE(llb::SolveOf(failed.status()).has_value());
}

TEST_F(ExecOpTest, DevicesBringVariablesNodesAndMounts) {
  directory_.Write("share/file", "shared");
  directory_.Write("cdi/v.yaml",
                   "cdiVersion: 0.5.0\nkind: v.com/c\ndevices:\n- name: a\n  containerEdits:\n"
                   "    env: [FOO=injected]\n"
                   "    deviceNodes: [{path: /dev/vendor/null, hostPath: /dev/null}]\n"
                   "    mounts: [{hostPath: " +
                       (directory_ / "share") + ", containerPath: /share, options: [ro]}]\n");
  const devices::DeviceRegistry registry({.directories = {directory_ / "cdi"}}, log_);
  environment_->devices = &registry;
  pb::ExecOp exec = Shell(
      "echo x > /dev/vendor/null; touch /share/y 2>/dev/null; echo $FOO `cat /share/file` > /new");
  exec.mutable_meta()->add_env("FOO=old");
  exec.add_cdidevices()->set_name("v.com/c=a");
  EXPECT_THAT(Layer(Run(exec)), ElementsAre("file new 644 0:0 injected shared\n"));
  exec.mutable_cdidevices(0)->set_name("v.com/c=b");
  EXPECT_THAT(Run(exec), StatusIs(absl::StatusCode::kFailedPrecondition,
                                  "required device \"v.com/c=b\" is not registered"));
}

TEST_F(ExecOpTest, OutputMayBeTheNextStepsInput) {
  auto first = Run(Shell("echo 1 > /one"));
  ASSERT_OK(first);
  *root_ = first->at(0).chain;
  const auto second = Run(Shell("cat /one > /two; rm /one"));
  EXPECT_THAT(Layer(second), ElementsAre("whiteout one", "file two 644 0:0 1\n"));
}

TEST_F(ExecOpTest, BindMountShowsItsSelection) {
  pb::ExecOp exec = Shell("cat /mnt/f > /copy; ! touch /mnt/x");
  pb::Mount& mount = AddMount(exec, pb::BIND, "/mnt");
  mount.set_input(1);
  mount.set_selector("sub");
  mount.set_readonly(true);
  EXPECT_THAT(Layer(Run(exec, {MakeChain({{"sub/f", "F"}})})), ElementsAre("file copy 644 0:0 F"));
}

TEST_F(ExecOpTest, WrittenBindMountWithoutOutputIsDropped) {
  pb::ExecOp exec = Shell("echo x > /mnt/f; cat /mnt/f");
  AddMount(exec, pb::BIND, "/mnt").set_input(1);
  EXPECT_THAT(Layer(Run(exec, {MakeChain({{"f", "F"}})})), ElementsAre());
  EXPECT_EQ(reporter_.out, "x\n");
}

TEST_F(ExecOpTest, MountWithOutputIsAnOutput) {
  pb::ExecOp exec = Shell("echo x > /out/f");
  AddMount(exec, pb::BIND, "/out").set_output(1);
  const auto outputs = Run(exec);
  ASSERT_OK(outputs);
  ASSERT_EQ(outputs->size(), 2u);
  EXPECT_EQ(outputs->at(1).base_input, -1);
  EXPECT_THAT(Describe(outputs->at(1).chain), ElementsAre("file f 644 0:0 x\n"));
}

TEST_F(ExecOpTest, CacheMountKeepsItsFilesAndLeavesNoTrace) {
  const auto lease = ledger_->NewLease();
  used_lease_ = lease.get();
  pb::ExecOp exec = Shell("echo line >> /cache/f");
  AddMount(exec, pb::CACHE, "/cache").mutable_cacheopt()->set_id("my/../cache");
  EXPECT_THAT(Layer(Run(exec)), ElementsAre());
  exec = Shell("echo line >> /other/f; cat /other/f");
  AddMount(exec, pb::CACHE, "/other").mutable_cacheopt()->set_id("my/../cache");
  ASSERT_OK(Run(exec));
  EXPECT_EQ(reporter_.out, "line\nline\n");
  const auto records = ledger_->List();
  ASSERT_OK(records);
  ASSERT_EQ(records->size(), 1u);
  EXPECT_EQ(records->at(0).type, gc::RecordType::kCacheMount);
}

// The second RUN of a build without cache did not find what the first one had left.
TEST_F(ExecOpTest, CacheMountIsEmptiedOnceInABuildThatIgnoresTheCache) {
  pb::ExecOp exec = Shell("echo line >> /cache/f; cat /cache/f");
  AddMount(exec, pb::CACHE, "/cache").mutable_cacheopt()->set_id("c");
  metadata_.set_ignore_cache(true);
  ASSERT_OK(Run(exec));
  ASSERT_OK(Run(exec));
  EXPECT_EQ(reporter_.out, "line\nline\nline\n");
}

TEST_F(ExecOpTest, CacheMountIsEmptiedForAStepThatIgnoresTheCache) {
  pb::ExecOp exec = Shell("echo line >> /cache/f; cat /cache/f");
  AddMount(exec, pb::CACHE, "/cache").mutable_cacheopt()->set_id("c");
  ASSERT_OK(Run(exec));
  metadata_.set_ignore_cache(true);
  ASSERT_OK(Run(exec));
  EXPECT_EQ(reporter_.out, "line\nline\n");
}

TEST_F(ExecOpTest, PrivateCacheMountsAreSeparate) {
  const CacheMounts::Request request{.id = "p", .sharing = CacheSharing::kPrivate};
  const auto first = caches_->Acquire(request, lease_, {});
  auto second = caches_->Acquire(request, lease_, {});
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_NE((*first)->directory(), (*second)->directory());
  const std::string directory = (*second)->directory();
  second->reset();
  EXPECT_EQ((*caches_->Acquire(request, lease_, {}))->directory(), directory);
}

TEST_F(ExecOpTest, LockedCacheMountIsWaitedFor) {
  const CacheMounts::Request request{.id = "l", .sharing = CacheSharing::kLocked};
  auto first = caches_->Acquire(request, lease_, {});
  ASSERT_OK(first);
  CancelSource cancel;
  StatusOr<std::unique_ptr<CacheMounts::Use>> second = absl::UnknownError("");
  std::thread waiter([&] { second = caches_->Acquire(request, lease_, cancel.token()); });
  first->reset();
  waiter.join();
  EXPECT_OK(second);
  cancel.Cancel();
  EXPECT_TRUE(absl::IsCancelled(caches_->Acquire(request, lease_, cancel.token()).status()));
}

TEST_F(ExecOpTest, TmpfsAndReadonlyRoot) {
  pb::ExecOp exec = Shell("echo x > /tmp/f && ! touch /f");
  exec.mutable_mounts(0)->set_readonly(true);
  exec.mutable_mounts(0)->set_output(-1);
  AddMount(exec, pb::TMPFS, "/tmp").mutable_tmpfsopt()->set_size(1 << 20);
  const auto outputs = Run(exec);
  ASSERT_OK(outputs);
  EXPECT_TRUE(outputs->empty());
}

TEST_F(ExecOpTest, OptionalSecretMayBeMissing) {
  pb::ExecOp exec = Shell("! cat /run/secrets/s");
  pb::SecretOpt& secret = *AddMount(exec, pb::SECRET, "/run/secrets/s").mutable_secretopt();
  secret.set_id("s");
  EXPECT_THAT(Run(exec), Not(IsOk()));
  secret.set_optional(true);
  EXPECT_OK(Run(exec));
}

TEST_F(ExecOpTest, CancelledStepIsKilled) {
  CancelSource cancel;
  pb::Op op;
  *op.mutable_exec() = Shell("echo started; sleep 1000");
  const auto step = MakeExecOp(MakeVertex(op, 1), *environment_);
  solver::OpContext context{.cancel = cancel.token(),
                            .reporter = reporter_,
                            .sessions = job_.sessions(),
                            .entitlements = entitlements_,
                            .lease = lease_,
                            .job = job_};
  Status status;
  std::thread runner([&] { status = step->Run(context, {*root_}).status(); });
  cancel.token().WaitFor(absl::Milliseconds(50));
  cancel.Cancel();
  runner.join();
  EXPECT_TRUE(absl::IsCancelled(status));
}

TEST_F(ExecOpTest, KeyIgnoresProxiesAndAddresses) {
  pb::Op op;
  *op.mutable_exec() = Shell("true");
  pb::HostIP& host = *op.mutable_exec()->mutable_meta()->add_extrahosts();
  host.set_host("db");
  const auto key = [&] {
    auto context = Context();
    return MakeExecOp(MakeVertex(op, 1), *environment_)->Prepare(context)->key->text();
  };
  const std::string before = key();
  host.set_ip("10.0.0.1");
  op.mutable_exec()->mutable_meta()->mutable_proxy_env()->set_http_proxy("p");
  EXPECT_EQ(key(), before);
  op.mutable_exec()->mutable_meta()->add_env("A=b");
  EXPECT_NE(key(), before);
}

TEST_F(ExecOpTest, AFailedStepKeepsWhatWentInAndWhatItWrote) {
  pb::ExecOp exec = Shell("echo root > /left; echo mount > /rw/left; exit 7");
  AddMount(exec, pb::BIND, "/rw").set_output(1);
  AddMount(exec, pb::TMPFS, "/tmp");

  const auto outputs = Run(exec);

  const std::optional<errdefs::Solve> solve = llb::SolveOf(outputs.status());
  ASSERT_TRUE(solve.has_value());
  ASSERT_EQ(solve->inputids_size(), 3);
  ASSERT_EQ(solve->mountids_size(), 3);
  EXPECT_EQ(DescribeKept(solve->inputids(0)), Describe(*root_));
  EXPECT_EQ(solve->inputids(1), "");
  EXPECT_THAT(DescribeKept(solve->mountids(0)), Contains("file left 644 0:0 root\n"));
  EXPECT_THAT(DescribeKept(solve->mountids(1)), ElementsAre("file left 644 0:0 mount\n"));
  EXPECT_EQ(DescribeKept(solve->mountids(1)).size(), 1u);  // the walk is done once
  EXPECT_EQ(solve->mountids(2), "");
}

TEST_F(ExecOpTest, AStepMountsOneLockedCacheTwice) {
  pb::ExecOp exec = Shell("touch /one/seen && ls /two/seen");
  for (const char* destination : {"/one", "/two"}) {
    pb::CacheOpt& cache = *AddMount(exec, pb::CACHE, destination).mutable_cacheopt();
    cache.set_id("shared");
    cache.set_sharing(pb::LOCKED);
  }
  EXPECT_THAT(Run(exec), IsOk());
}

TEST_F(ExecOpTest, AReleasedGatewayContainerCancelsItsProcesses) {
  GatewayContainer::Options options{.inputs = {*root_}};
  pb::Mount& mount = *options.mounts.Add();
  mount.set_dest("/");
  mount.set_output(-1);
  auto container = GatewayContainer::Create(*environment_, std::move(options), lease_, {});
  ASSERT_OK(container);
  GatewayContainer::ProcessOptions sleeper{.output = [](int, string_view) {}};
  for (const char* arg : {"/bin/sleep", "1000"}) {
    sleeper.meta.add_args(arg);
  }
  auto process = (*container)->Start(sleeper, {});
  ASSERT_OK(process);

  EXPECT_THAT((*container)->Release(), StatusIs(absl::StatusCode::kCancelled, _));

  EXPECT_THAT((*process)->Wait({}),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("context canceled")));
  EXPECT_THAT((*container)->Start(sleeper, {}),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("released")));
}

TEST_F(ExecOpTest, GatewayContainerShowsItsMounts) {
  GatewayContainer::Options options{.inputs = {*root_}};
  pb::Mount& root = *options.mounts.Add();
  root.set_dest("/");
  root.set_output(-1);
  pb::Mount& scratch = *options.mounts.Add();
  scratch.set_dest("/work");
  scratch.set_input(-1);
  scratch.set_output(-1);
  auto container = GatewayContainer::Create(*environment_, std::move(options), lease_, {});
  ASSERT_OK(container);
  ASSERT_OK_AND_ASSIGN(const GatewayContainer::MountView before, (*container)->View(0));
  EXPECT_FALSE(before.live.has_value());
  EXPECT_EQ(before.initial->content, root_->content);

  GatewayContainer::ProcessOptions shell{.output = [](int, string_view) {}};
  for (const char* arg : {"/bin/sh", "-c", "echo new > /work/file; cat"}) {
    shell.meta.add_args(arg);
  }
  ASSERT_OK_AND_ASSIGN(const auto process, (*container)->Start(shell, {}));
  GatewayContainer::ProcessOptions check{.output = [](int, string_view) {}};
  for (const char* arg : {"/bin/sh", "-c", "while [ ! -s /work/file ]; do :; done"}) {
    check.meta.add_args(arg);
  }
  ASSERT_OK_AND_ASSIGN(const auto written, (*container)->Start(check, {}));
  ASSERT_OK(written->Wait({}));
  ASSERT_OK_AND_ASSIGN(const GatewayContainer::MountView running, (*container)->View(1));
  ASSERT_TRUE(running.live.has_value());
  EXPECT_EQ(*running.live->ReadFile("file", 100), "new\n");

  process->CloseInput();
  ASSERT_OK(process->Wait({}));
  EXPECT_THAT((*container)->View(1), StatusIs(absl::StatusCode::kFailedPrecondition, _));
  EXPECT_THAT((*container)->View(2), StatusIs(absl::StatusCode::kInvalidArgument, _));
}

TEST_F(ExecOpTest, GatewayContainerRunsProcessesUntilTheFirstEnds) {
  GatewayContainer::Options options{.inputs = {*root_}};
  pb::Mount& mount = *options.mounts.Add();
  mount.set_dest("/");
  mount.set_output(-1);
  auto container = GatewayContainer::Create(*environment_, std::move(options), lease_, {});
  ASSERT_OK(container);
  std::string out;
  GatewayContainer::ProcessOptions first{
      .output = [&out](int, string_view data) { out.append(data.data(), data.size()); }};
  first.meta.add_args("/bin/cat");
  auto cat = (*container)->Start(first, {});
  ASSERT_OK(cat);
  GatewayContainer::ProcessOptions second{.output = [](int, string_view) {}};
  for (const char* arg : {"/bin/sh", "-c", "exit 3"}) {
    second.meta.add_args(arg);
  }
  auto shell = (*container)->Start(second, {});
  ASSERT_OK(shell);
  EXPECT_EQ(llb::ExitCodeOf((*shell)->Wait({})), 3u);
  ASSERT_OK((*cat)->WriteInput("hello"));
  (*cat)->CloseInput();
  EXPECT_OK((*cat)->Wait({}));
  EXPECT_EQ(out, "hello");
}

}  // namespace
}  // namespace cairn::ops

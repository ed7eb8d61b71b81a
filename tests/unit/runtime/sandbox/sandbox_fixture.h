// A root file system of busybox alone, and an executor to run it with. Needs root.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/fd.h"
#include "runtime/sandbox/executor.h"
#include "tests/unit/testing.h"

namespace cairn::sandbox {

class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
    MakeRootfs(dir_ / "lower");
    std::filesystem::create_directories(dir_ / "upper");
    std::filesystem::create_directories(dir_ / "work");
    ASSERT_OK_AND_ASSIGN(executor_, Executor::Create(Options()));
  }

  ExecutorOptions Options() const {
    ExecutorOptions options;
    options.state_directory = dir_ / "state";
    options.helper_program = CAIRN_BINARY_DIR "/cairn-sandbox";
    options.pool_size = 1;
    return options;
  }

  // busybox with its applets, as little else as possible.
  void MakeRootfs(const std::string& root) const {
    namespace fs = std::filesystem;
    for (const char* directory : {"/bin", "/etc", "/proc", "/sys", "/dev", "/tmp", "/root"}) {
      fs::create_directories(root + directory);
    }
    fs::copy_file("/bin/busybox", root + "/bin/busybox");
    for (const char* applet :
         {"sh",       "cat",   "echo",  "true",  "false", "id",   "ls",     "sleep",
          "kill",     "mount", "mkdir", "touch", "rm",    "ln",   "stat",   "stty",
          "hostname", "head",  "dd",    "mknod", "wc",    "grep", "umount", "chroot",
          "seq",      "tail",  "env",   "pwd",   "ps",    "tr",   "chmod",  "readlink",
          "ifconfig", "nc",    "su",    "mv",    "cut",   "sort"}) {
      fs::create_symlink("busybox", root + "/bin/" + applet);
    }
    Write(root + "/etc/passwd",
          "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
          "1000:x:0:0::/:/bin/sh\n");
    Write(root + "/etc/group", "root:x:0:\napp:x:1000:\nextra:x:2000:app,other\nstaff:x:50:\n");
  }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  ContainerSpec Overlay() const {
    ContainerSpec spec;
    spec.root.overlay.lowers = {dir_ / "lower"};
    spec.root.overlay.upper = dir_ / "upper";
    spec.root.overlay.work = dir_ / "work";
    return spec;
  }

  static ProcessSpec Command(std::vector<std::string> args) {
    ProcessSpec process;
    process.args = std::move(args);
    process.env = {"PATH=/bin"};
    return process;
  }
  static ProcessSpec Shell(const std::string& script) { return Command({"sh", "-c", script}); }

  struct Result {
    RunOutcome outcome;
    std::string out;  // stdout and stderr together
  };

  // Runs to the end; the streams go to a file, so that nothing blocks.
  Result Run(const ContainerSpec& container, const ProcessSpec& process,
             const CancelToken& cancel = {}) {
    const std::string path = dir_ / "output";
    ProcessIo io;
    io.output.Reset(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
    io.error.Reset(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    Result result;
    result.outcome = executor_->Run(container, process, std::move(io), cancel);
    result.out = dir_.Read("output");
    return result;
  }
  Result RunShell(const std::string& script) { return Run(Overlay(), Shell(script)); }

  // Names below the upper directory.
  std::vector<std::string> UpperEntries() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "upper")) {
      names.push_back(std::filesystem::relative(entry.path(), dir_ / "upper").string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  testing::TempDir dir_;
  std::unique_ptr<Executor> executor_;
};

inline RunOutcome::Kind KindOf(const RunOutcome& outcome) { return outcome.kind; }

}  // namespace cairn::sandbox

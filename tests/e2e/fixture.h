// What end-to-end tests share: a real cairnd on a state folder of its own, the real cairn command
// against it, a real registry, other programs that read what is made, and a base image made on the
// spot from Debian's busybox-static.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/fd.h"
#include "runtime/base/subprocess.h"
#include "tests/unit/testing.h"

namespace cairn::e2e {

// A program started for a test: killed when the test ends.
class Daemon {
 public:
  struct Options {
    std::vector<std::string> flags;
    std::vector<std::string> environment;
    std::string config;  // TOML; empty for none
  };

  // Starts cairnd with its root, socket and config in `directory` and waits until it answers.
  static StatusOr<std::unique_ptr<Daemon>> Start(const std::string& directory, Options options);
  static StatusOr<std::unique_ptr<Daemon>> Start(const std::string& directory) {
    return Start(directory, {});
  }

  const std::string& address() const { return address_; }
  pid_t pid() const { return process_->pid(); }
  // SIGTERM, then its exit code.
  StatusOr<int> Stop();
  // SIGKILL.
  void Kill();
  // What it has logged so far.
  std::string Log() const;

 private:
  std::string address_;
  std::string log_path_;
  std::unique_ptr<Subprocess> process_;
};

// Debian's docker-registry on a free port of loopback.
class Registry {
 public:
  static StatusOr<std::unique_ptr<Registry>> Start(const std::string& directory);
  // "localhost:<port>"
  const std::string& host() const { return host_; }

 private:
  std::string host_;
  std::unique_ptr<Subprocess> process_;
};

// A test with a daemon that holds the image "busybox" and, if asked for, a registry.
class DaemonTest : public ::testing::Test {
 protected:
  void SetUp() override;

  // Runs `cairn` with `arguments`; stdin is `input`.
  CommandOutput Cairn(std::vector<std::string> arguments, const std::string& input = "");

  // Writes the Dockerfile of the image "busybox" and what it copies to the directory "busybox".
  void WriteBusybox();

  // Runs `cairn build --progress=plain` on a context with this Dockerfile and these files.
  CommandOutput Build(const std::string& dockerfile, std::vector<std::string> arguments = {});

  // Writes a file of the context.
  void WriteContext(const std::string& path, const std::string& data) {
    directory_.Write("context/" + path, data);
  }

  // Stops the daemon and starts it on the same state.
  void Restart(Daemon::Options options = {});

  const testing::TempDir directory_;
  std::unique_ptr<Daemon> daemon_;
};

// Runs a program of this build ("cairn") or one on the PATH ("skopeo") in an environment that holds
// PATH, HOME and `environment`.
CommandOutput RunProgram(std::vector<std::string> argv,
                         const std::vector<std::string>& environment = {},
                         const std::string& input = "");

// Whether a program is on the PATH.
bool HasProgram(const std::string& name);

// Where a program of this build is.
std::string ProgramPath(const std::string& name);

StatusOr<UniqueFd> OpenForAppending(const std::string& path);

// A TCP port of loopback that belongs to the test: connections to it are refused, or, when it
// listens, taken and never answered.
struct LoopbackPort {
  static StatusOr<LoopbackPort> Bind(bool listening);
  UniqueFd fd;
  int port = 0;
};

// Reads until `text` was seen; false when the other end closes first.
bool ReadUntil(int descriptor, const std::string& text);

// Asks again until `holds`; false when it does not come to hold in half a minute.
bool Eventually(const std::function<bool()>& holds);

}  // namespace cairn::e2e

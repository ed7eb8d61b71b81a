// A program for tests: runs a container that never ends by itself.
#include "runtime/sandbox/executor.h"

int main(int argc, char** argv) {
  using namespace cairn::sandbox;
  if (argc != 3) {
    return 2;
  }
  ExecutorOptions options;
  options.state_directory = argv[1];
  options.helper_program = CAIRN_BINARY_DIR "/cairn-sandbox";
  auto executor = Executor::Create(options);
  if (!executor.ok()) {
    return 1;
  }
  ContainerSpec container;
  container.root.directory = argv[2];
  ProcessSpec process;
  process.args = {"/bin/sh", "-c", "echo ready; sleep 1000"};
  process.env = {"PATH=/bin"};
  ProcessIo io;
  io.output = cairn::UniqueFd(1);
  return (*executor)->Run(container, process, std::move(io), {}).exit_code;
}

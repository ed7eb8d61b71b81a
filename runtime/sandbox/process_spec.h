// What is run: one process of a container, its first or a later one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cairn::sandbox {

struct ProcessSpec {
  // The program and its arguments. A program without '/' is looked up on PATH of `env`, inside the
  // container.
  std::vector<std::string> args;
  // The whole environment as "NAME=value"; entries of another form are dropped, the last of equal
  // names counts. HOME is added from the user's passwd entry when missing or empty.
  std::vector<std::string> env;
  // Absolute path inside the container. Made (0755, owned by the user) if missing.
  std::string cwd = "/";
  // "name", "uid", "name:group", "uid:gid" or any mix, looked up in the container's /etc/passwd
  // and /etc/group; empty means root. Supplementary groups are the image's, only if no group is
  // named.
  std::string user;
  // Supplementary groups beside those.
  std::vector<uint32_t> additional_groups;
  // Give it a terminal of its own as stdin, stdout and stderr: see Process::TakeTerminal.
  bool terminal = false;
  uint16_t terminal_rows = 0;
  uint16_t terminal_columns = 0;
};

}  // namespace cairn::sandbox

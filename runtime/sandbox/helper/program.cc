#include "runtime/sandbox/helper/program.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <map>

namespace cairn::sandbox {
namespace {

constexpr uint64_t kNotFound = 127;
constexpr uint64_t kNotExecutable = 126;

std::map<std::string, std::string> MakeEnvironment(const ProcessSpec& process,
                                                   const UserIdentity& identity) {
  std::map<std::string, std::string> environment;
  for (const std::string& entry : process.env) {
    const size_t equals = entry.find('=');
    if (equals != std::string::npos && equals > 0) {
      environment[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
  }
  std::string& home = environment["HOME"];
  if (home.empty()) {
    home = identity.home;
  }
  return environment;
}

// 0 if `path` is a file that this process may execute, else an errno value.
int CheckExecutable(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) {
    return errno;
  }
  if (S_ISDIR(info.st_mode)) {
    return EISDIR;
  }
  return ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

std::string FindProgram(const std::string& name, const std::string& search,
                        const Reporter& reporter) {
  const std::string prefix = "exec: \"" + name + "\": ";
  if (name.find('/') != std::string::npos) {
    const int error = CheckExecutable(name);
    if (error == 0) {
      return name;
    }
    const bool missing = error == ENOENT || error == ENOTDIR;
    reporter.FailExec(prefix + (missing ? "stat " + name + ": " : "") + ErrorText(error),
                      missing ? kNotFound : kNotExecutable);
  }
  size_t begin = 0;
  while (!name.empty() && begin <= search.size() && !search.empty()) {
    size_t end = search.find(':', begin);
    if (end == std::string::npos) {
      end = search.size();
    }
    // An empty entry would mean the working directory; that is never what an image wants.
    if (end > begin) {
      const std::string path = search.substr(begin, end - begin) + "/" + name;
      if (CheckExecutable(path) == 0) {
        return path;
      }
    }
    begin = end + 1;
  }
  reporter.FailExec(prefix + "executable file not found in $PATH", kNotFound);
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) {
    pointers.push_back(const_cast<char*>(string.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

void ExecuteProgram(const ProcessSpec& process, const UserIdentity& identity,
                    const Reporter& reporter) {
  const std::map<std::string, std::string> environment = MakeEnvironment(process, identity);
  const auto search = environment.find("PATH");
  const std::string path = FindProgram(
      process.args.front(), search == environment.end() ? std::string() : search->second, reporter);
  std::vector<std::string> variables;
  for (const auto& variable : environment) {
    variables.push_back(variable.first + "=" + variable.second);
  }
  std::vector<char*> argv = Pointers(process.args);
  std::vector<char*> envp = Pointers(variables);
  // All are close-on-exec already; this is the lock on the door.
  ::syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
  ::execve(path.c_str(), argv.data(), envp.data());
  const int error = errno;
  reporter.FailExec("exec " + path + ": " + ErrorText(error),
                    error == ENOENT ? kNotFound : kNotExecutable);
}

}  // namespace cairn::sandbox

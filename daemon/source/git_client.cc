#include "daemon/source/git_client.h"

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "runtime/base/subprocess.h"
#include "runtime/fs/root_dir.h"
#include "runtime/net/url.h"

namespace cairn::source {
namespace {

// Gc never runs by itself: it would go on behind the command's back. Submodules of "file" URLs are
// refused by "user", which lets only the daemon's own commands use that protocol. A server may not
// send git elsewhere for a bundle. Any commit of the daemon's own copies can be asked for.
constexpr char kConfiguration[] = R"([core]
	hooksPath = /dev/null
	fsmonitor = false
	autocrlf = false
	protectHFS = true
	protectNTFS = true
[init]
	defaultBranch = master
	templateDir =
[protocol]
	allow = never
[protocol "http"]
	allow = always
[protocol "https"]
	allow = always
[protocol "ssh"]
	allow = always
[protocol "git"]
	allow = always
[protocol "file"]
	allow = user
[transfer]
	bundleURI = false
[uploadpack]
	allowAnySHA1InWant = true
[gc]
	auto = 0
[maintenance]
	auto = false
[fetch]
	recurseSubmodules = false
[submodule]
	recurse = false
[credential]
	helper =
[advice]
	detachedHead = false
)";

// The operator sets these for the daemon, for this use among others.
constexpr const char* kProxyVariables[] = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
                                           "http_proxy", "https_proxy", "no_proxy", "all_proxy"};

// Text as a value or a subsection in git's configuration.
std::string Quoted(string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

// The header belongs to the remote alone, but for a host whose repositories are known to take one
// token for all: submodules there are had with it too.
std::string ScopeOf(const std::string& remote) {
  for (const char* shared : {"https://github.com/", "https://www.github.com/"}) {
    if (absl::StartsWith(remote, shared)) {
      return shared;
    }
  }
  return remote;
}

std::string ConfigurationFor(const GitAccess& access) {
  std::string text = absl::StrCat(kConfiguration, "[remote ", Quoted(GitClient::kRemote),
                                  "]\n\turl = ", Quoted(access.remote), "\n");
  if (!access.authorization.empty()) {
    absl::StrAppend(&text, "[http ", Quoted(ScopeOf(access.remote)), "]\n\textraheader = ",
                    Quoted(absl::StrCat("Authorization: ", access.authorization)), "\n");
  }
  return text;
}

std::string ShellQuoted(string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// Neither configuration nor keys of the daemon's user are for the users of the daemon.
std::string SshCommand(const std::string& known_hosts_file) {
  std::string command =
      "ssh -F /dev/null -o BatchMode=yes -o IdentityFile=none -o GlobalKnownHostsFile=/dev/null";
  if (known_hosts_file.empty()) {
    absl::StrAppend(&command, " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null");
  } else {
    absl::StrAppend(&command, " -o StrictHostKeyChecking=yes -o UserKnownHostsFile=",
                    ShellQuoted(known_hosts_file));
  }
  return command;
}

}  // namespace

StatusOr<std::unique_ptr<GitClient>> GitClient::Create(const std::string& directory,
                                                       const GitAccess& access,
                                                       solver::VertexReporter* reporter) {
  for (const char c : access.authorization) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError("the secret for a git remote has control characters");
    }
  }
  ASSIGN_OR_RETURN(const fs::RootDir root, fs::RootDir::Open(directory));
  RETURN_IF_ERROR(root.WriteFile("gitconfig", ConfigurationFor(access), 0600));
  std::string known_hosts;
  if (!access.known_hosts.empty()) {
    known_hosts = directory + "/known_hosts";
    RETURN_IF_ERROR(root.WriteFile("known_hosts", access.known_hosts, 0600));
  }
  const char* path = std::getenv("PATH");
  std::vector<std::string> environment = {
      absl::StrCat("PATH=", path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path), "LC_ALL=C",
      "HOME=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_ATTR_NOSYSTEM=1",
      absl::StrCat("GIT_CONFIG_GLOBAL=", directory, "/gitconfig"),
      // No repository that happens to lie around the daemon's directories counts.
      absl::StrCat("GIT_CEILING_DIRECTORIES=", directory.substr(0, directory.rfind('/'))),
      "GIT_TERMINAL_PROMPT=0", "GIT_LFS_SKIP_SMUDGE=1",
      absl::StrCat("GIT_SSH_COMMAND=", SshCommand(known_hosts))};
  if (!access.ssh_socket.empty()) {
    environment.push_back(absl::StrCat("SSH_AUTH_SOCK=", access.ssh_socket));
  }
  for (const char* name : kProxyVariables) {
    if (const char* value = std::getenv(name); value != nullptr) {
      environment.push_back(absl::StrCat(name, "=", value));
    }
  }
  return std::unique_ptr<GitClient>(
      new GitClient(access.remote, directory, std::move(environment), reporter));
}

StatusOr<std::string> GitClient::Run(const Call& call, const CancelToken& cancel) {
  SubprocessOptions options{.argv = {"git"},
                            .environment = environment_,
                            .directory = call.work_tree.empty() ? directory_ : call.work_tree,
                            .kill_group = true};
  if (!call.git_dir.empty()) {
    options.argv.push_back(absl::StrCat("--git-dir=", call.git_dir));
  }
  if (!call.work_tree.empty()) {
    options.argv.push_back(absl::StrCat("--work-tree=", call.work_tree));
  }
  options.argv.insert(options.argv.end(), call.arguments.begin(), call.arguments.end());
  StatusOr<CommandOutput> output = RunCommand(std::move(options), "", cancel);
  if (absl::IsNotFound(output.status())) {
    return absl::FailedPreconditionError(
        "there is no program git on the daemon's machine: sources that are git repositories need "
        "it (Debian's package git)");
  }
  RETURN_IF_ERROR(output.status());
  const std::string said =
      absl::StrReplaceAll(output->err, {{remote_, net::RedactCredentials(remote_)}});
  if (reporter_ != nullptr && !said.empty()) {
    reporter_->Log(2, said);
  }
  if (output->exit_code != 0) {
    return absl::UnknownError(absl::StrCat("git ", call.arguments.at(0), ": exit code ",
                                           output->exit_code, ": ",
                                           absl::StripAsciiWhitespace(said)));
  }
  return std::move(output->out);
}

}  // namespace cairn::source

#include "daemon/source/git_identifier.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/ops.pb.h"
#include "runtime/base/go_match.h"
#include "runtime/net/url.h"

namespace cairn::source {
namespace {

constexpr const char* kSchemes[] = {"https://", "http://", "ssh://", "git://"};

bool HasControl(string_view text) {
  return std::any_of(text.begin(), text.end(), absl::ascii_iscntrl);
}

// "user@host:path", as ssh writes it.
bool IsScpStyle(string_view text) {
  const size_t at = text.find('@');
  const size_t colon = text.find(':');
  const auto in_name = [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_';
  };
  return at != string_view::npos && at > 0 && colon != string_view::npos && colon > at + 1 &&
         colon + 1 < text.size() && text[0] != '-' && text[at + 1] != '-' &&
         std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), in_name) &&
         std::all_of(text.begin() + static_cast<ptrdiff_t>(at) + 1,
                     text.begin() + static_cast<ptrdiff_t>(colon), in_name);
}

std::string GitSchemeOf(string_view text) {
  for (const string_view scheme : kSchemes) {
    if (absl::StartsWithIgnoreCase(text, scheme)) {
      return std::string(scheme);
    }
  }
  return "";
}

// What is not written with a scheme that git speaks is a host and a path.
std::string RemoteOf(string_view text) {
  const std::string scheme = GitSchemeOf(text);
  if (!scheme.empty()) {
    return absl::StrCat(scheme, text.substr(scheme.size()));
  }
  return IsScpStyle(text) ? std::string(text) : absl::StrCat("https://", text);
}

std::string HostOf(const std::string& remote) {
  string_view rest = remote;
  const size_t scheme = rest.find("://");
  if (scheme == string_view::npos) {  // "user@host:path"
    rest = rest.substr(0, rest.find(':'));
  } else {
    rest.remove_prefix(scheme + 3);
    rest = rest.substr(0, rest.find_first_of("/?#"));
  }
  const size_t at = rest.rfind('@');
  return std::string(at == string_view::npos ? rest : rest.substr(at + 1));
}

// ".." stops at the root.
std::string CleanSubdir(string_view text) { return CleanPath(absl::StrCat("/", text)).substr(1); }

Status SetAttribute(const std::string& key, const std::string& value, GitIdentifier& git) {
  const bool on = value == "true";
  if (key == "git.fullurl") {
    git.remote = RemoteOf(value);
  } else if (key == "git.keepgitdir") {
    git.keep_git_dir = on;
  } else if (key == "git.skipsubmodules") {
    git.skip_submodules = on;
  } else if (key == "git.mtime") {
    git.commit_times = value == "commit";
  } else if (key == "git.fetchbycommit") {
    git.fetch_by_commit = on;
  } else if (key == "git.checksum") {
    git.checksum = absl::AsciiStrToLower(value);
  } else if (key == "git.authtokensecret") {
    git.token_secret = value;
  } else if (key == "git.authheadersecret") {
    git.header_secret = value;
  } else if (key == "git.knownsshhosts") {
    git.known_hosts = value;
  } else if (key == "git.mountsshsock") {
    git.ssh_agent = value;
  } else if (absl::StartsWith(key, "git.sig.")) {
    return absl::UnimplementedError(
        "verifying signatures of git sources is not offered by this daemon; pin the commit with a "
        "checksum instead");
  } else if (key == "git.bundle" || (key == "git.checkoutbundle" && on)) {
    return absl::UnimplementedError("git bundles are not offered by this daemon");
  }
  return absl::OkStatus();
}

Status Check(const GitIdentifier& git) {
  // The ref comes from people and is passed to programs: it must not look like an option, nor hold
  // what would make another line of a configuration or of the protocol.
  if (absl::StartsWith(git.ref, "-") || HasControl(git.ref)) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid git ref \"", absl::CHexEscape(git.ref), "\""));
  }
  if (git.host.empty() || git.host[0] == '-' || HasControl(git.remote) ||
      git.remote.find_first_of(" \"\\") != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid git URL \"", absl::CHexEscape(git.shown()), "\""));
  }
  const bool hex = std::all_of(git.checksum.begin(), git.checksum.end(), absl::ascii_isxdigit);
  if (!hex) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid checksum ", git.checksum, " for Git URL, expected hex commit hash"));
  }
  if (git.fetch_by_commit && !IsCommitHash(git.ref) && !IsCommitHash(git.checksum)) {
    return absl::InvalidArgumentError(
        "fetch-by-commit requires the whole commit hash as checksum or ref");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsCommitHash(string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); });
}

StatusOr<GitIdentifier> GitIdentifier::Parse(const pb::SourceOp& source) {
  GitIdentifier git;
  string_view name = source.identifier();
  absl::ConsumePrefix(&name, "git://");
  const size_t hash = name.find('#');
  if (hash != string_view::npos) {
    const std::string fragment = net::PercentDecode(name.substr(hash + 1));
    const size_t colon = fragment.find(':');
    git.ref = fragment.substr(0, colon);
    git.subdir = CleanSubdir(colon == std::string::npos ? "" : fragment.substr(colon + 1));
    name = name.substr(0, hash);
  }
  git.remote = RemoteOf(name.substr(0, name.find('?')));
  for (const auto& [key, value] : source.attrs()) {
    RETURN_IF_ERROR(SetAttribute(key, value, git));
  }
  git.host = HostOf(git.remote);
  RETURN_IF_ERROR(Check(git));
  return git;
}

std::string GitIdentifier::shown() const { return net::RedactCredentials(remote); }

}  // namespace cairn::source
